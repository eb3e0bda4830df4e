// A list that grows at its end and changes in place, and that can be read as it was while it does.
//
// Its elements lie in blocks. Share gives a second list of the same blocks; whichever of the two
// changes an element first then gets a copy of that one block. What is shared is never written, so
// that the two may be on different threads.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace scanserve::base {

// Not thread-safe.
template <typename T>
class BlockList {
 public:
  static constexpr size_t kElementsOfBlock = 1'024;

  BlockList() = default;
  BlockList(BlockList&&) = default;
  BlockList& operator=(BlockList&&) = default;

  // What is in the list now, whatever happens to either later. Takes a step for each block.
  BlockList Share() {
    for (Block& block : blocks_) block.shared = true;
    BlockList shared;
    shared.blocks_ = blocks_;
    shared.size_ = size_;
    return shared;
  }

  size_t size() const { return size_; }
  const T& operator[](size_t i) const {
    return (*blocks_[i / kElementsOfBlock].elements)[i % kElementsOfBlock];
  }
  // To be changed before the next call.
  T& Change(size_t i) { return Own(i / kElementsOfBlock)[i % kElementsOfBlock]; }
  void Add(T element) {
    if (size_ % kElementsOfBlock == 0) blocks_.push_back({std::make_shared<std::vector<T>>()});
    Own(size_ / kElementsOfBlock).push_back(std::move(element));
    ++size_;
  }

 private:
  struct Block {
    std::shared_ptr<std::vector<T>> elements;
    // Another list may have it.
    bool shared = false;
  };

  std::vector<T>& Own(size_t i) {
    Block& block = blocks_[i];
    if (block.shared) block = {std::make_shared<std::vector<T>>(*block.elements)};
    return *block.elements;
  }

  std::vector<Block> blocks_;
  size_t size_ = 0;
};

}  // namespace scanserve::base
