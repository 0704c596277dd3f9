// Names of features, one after the other in memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

// Copies as memcpy does, inlined for short strings.
[[gnu::always_inline]] inline void copy_bytes(char* to, const char* from, size_t n) {
    auto ends = [&]<class Word>(Word) {  // two words that may overlap
        std::memcpy(to, from, sizeof(Word));
        std::memcpy(to + n - sizeof(Word), from + n - sizeof(Word), sizeof(Word));
    };
    if (n > 16) {
        std::memcpy(to, from, n);
    } else if (n >= 8) {
        ends(uint64_t());
    } else if (n >= 4) {
        ends(uint32_t());
    } else if (n) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

// Keeps strings end to end, each padded with zeros to whole words, so that hashing and comparing go by words.
class Names {
public:
    size_t size() const { return ranges_.size(); }
    size_t length(size_t i) const { return ranges_[i].length; }
    const uint64_t* words(size_t i) const { return words_.data() + ranges_[i].begin; }
    std::string_view operator[](size_t i) const { return {reinterpret_cast<const char*>(words(i)), length(i)}; }

    void clear() {
        ranges_.clear();
        end_ = 0;
        open();
    }

    // A name is opened, appended to, and closed, which pads and keeps it, or opened again, which drops it.
    void open() { open_ = end_ * sizeof(uint64_t); }

    std::string_view opened() const {
        return {reinterpret_cast<const char*>(words_.data() + end_), open_ - end_ * sizeof(uint64_t)};
    }

    // Returns where n bytes can be written. appended(n) takes them in.
    [[gnu::always_inline]] char* room(size_t n) {
        if (words_.size() * sizeof(uint64_t) < open_ + n + sizeof(uint64_t)) [[unlikely]]
            grow(n);
        return reinterpret_cast<char*>(words_.data()) + open_;
    }
    void appended(size_t n) { open_ += n; }

    [[gnu::always_inline]] void append(const char* data, size_t n) {
        copy_bytes(room(n), data, n);
        open_ += n;
    }

    [[gnu::always_inline]] void close() {
        size_t length = open_ - end_ * sizeof(uint64_t);
        if (end_ > UINT32_MAX || length > UINT32_MAX) throw std::length_error("more than 32 GB of feature names");
        std::memset(room(0), 0, sizeof(uint64_t));
        ranges_.push_back({static_cast<uint32_t>(end_), static_cast<uint32_t>(length)});
        end_ += (length + sizeof(uint64_t) - 1) / sizeof(uint64_t);
        open();
    }

    void add(std::string_view name) {
        append(name.data(), name.size());
        close();
    }

    bool equal(size_t i, const uint64_t* words, size_t length) const {
        if (ranges_[i].length != length) return false;
        const uint64_t* own = this->words(i);
        for (size_t k = 0; k * sizeof(uint64_t) < length; ++k)
            if (own[k] != words[k]) return false;
        return true;
    }

private:
    struct Range {
        uint32_t begin, length;
    };
    std::vector<uint64_t> words_ = std::vector<uint64_t>(64);
    std::vector<Range> ranges_;
    size_t end_ = 0, open_ = 0;  // in words; in bytes

    [[gnu::noinline]] void grow(size_t n) { words_.resize(2 * words_.size() + n); }
};
