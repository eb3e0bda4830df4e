// Character classes as the reference tokenizer library sees them.
//
// Its regular expressions know Unicode 16 and its digit test Unicode 17, while ICU 72 knows
// Unicode 15: a short table adds the characters that came later. Thread-safe: no state.
#pragma once

namespace scanserve::model {

enum class CharacterClass { kLetter, kNumber, kSpace, kOther };

// The classes of GPT-2's split pattern: \p{L}, \p{N}, \s (the property White_Space), all else.
CharacterClass ClassOf(char32_t code_point);

bool IsWhiteSpace(char32_t code_point);
// \w of the expressions that guard `single_word` added tokens.
bool IsWordCharacter(char32_t code_point);
// The test of the "Digits" pre-tokenizer: any number, not only 0 to 9.
bool IsNumeric(char32_t code_point);

// A character that ICU knows, with the category (and length in UTF-16) that `code_point` has in
// Unicode 16; `code_point` itself when ICU knows it. For matching ICU expressions.
char32_t StandIn(char32_t code_point);

}  // namespace scanserve::model
