// Parts of a text: the tokens or n-grams of one document, as UTF-8.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

constexpr size_t kSlack = 64;  // bytes after a text that may be read and written

struct Span {
    uint32_t begin, length;
};

// UTF-8 of a document with the spans that count. Spans may overlap.
struct Spans {
    std::vector<uint8_t> text;
    std::vector<Span> parts;
    bool surrogates = false;  // whether there may be some

    // Room for `characters` of them, and the place of the first.
    uint8_t* room(size_t characters) {
        if (characters > UINT32_MAX / 8) throw std::length_error("a document of more than 2**29 characters");
        size_t bytes = 5 * characters + 2 * kSlack;
        if (text.size() < bytes) text.resize(bytes + bytes / 2);
        parts.clear();
        return text.data();
    }

    // Bytes from `end` on are read as part of a longer word, and must be the same
    // each time.
    void close(uint8_t* end) { std::memset(end, 0, kSlack); }
};
