#include "core/model/json_shape.h"

#include <set>

#include "nlohmann/json.hpp"

namespace scanserve::model {
namespace {

// Reading ends where a call returns false.
class ShapeReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit ShapeReader(JsonShape& shape) : shape_(shape) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }

  bool start_object(std::size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    ++shape_.members;
    if (depth_ == 1 && !outermost_keys_.insert(name).second) shape_.repeated_key = name;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool Open() {
    shape_.too_deep = ++depth_ > kMaxJsonDepth;
    return !shape_.too_deep;
  }
  bool Close() {
    --depth_;
    return true;
  }

  JsonShape& shape_;
  int depth_ = 0;
  std::set<std::string> outermost_keys_;
};

}  // namespace

JsonShape ReadJsonShape(absl::string_view text) {
  JsonShape shape;
  ShapeReader reader(shape);
  shape.valid = nlohmann::json::sax_parse(text, &reader);
  return shape;
}

}  // namespace scanserve::model
