// What is known of each character of Unicode, and UTF-8.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

constexpr size_t kPlane = 65536,
                 kPlanes = 17;  // characters of a plane, and planes of Unicode

// The lower case of each character with the classes that this has, filled plane
// by plane by who knows them.
class CharacterTable {
public:
    static constexpr uint32_t kCode = 0x1FFFFF;     // the character in lower case
    static constexpr uint32_t kToken = 1u << 24;    // it is of the class that tokens are made of
    static constexpr uint32_t kWord = 1u << 25;     // it is of the class \w
    static constexpr uint32_t kSpace = 1u << 26;    // it is white space
    static constexpr uint32_t kSpecial = 1u << 27;  // its lower case depends on others, or is more than one character

    CharacterTable() {
        for (auto& plane : entries_) plane.reset();
    }

    bool has(size_t plane) const { return filled_[plane].load(std::memory_order_acquire); }

    // The entries of a plane, written once; a second writer would write the same.
    void fill(size_t plane, std::vector<uint32_t> entries) {
        if (has(plane)) return;
        entries_[plane] = std::make_unique<const std::vector<uint32_t>>(std::move(entries));
        pointers_[plane] = entries_[plane]->data();
        filled_[plane].store(true, std::memory_order_release);
    }

    uint32_t operator[](uint8_t c) const { return pointers_[0][c]; }
    uint32_t operator[](uint16_t c) const { return pointers_[0][c]; }
    uint32_t operator[](uint32_t c) const { return pointers_[c >> 16][c & 0xFFFF]; }

private:
    std::unique_ptr<const std::vector<uint32_t>> entries_[kPlanes];
    const uint32_t* pointers_[kPlanes] = {};
    std::atomic<bool> filled_[kPlanes] = {};
};

// A text where it lies: `width` bytes a character, as Python keeps it.
struct Text {
    const void* data = nullptr;
    size_t length = 0;
    int width = 1;
    bool ascii = true;
};

// f(pointer to characters) for the width of a text.
template <class F>
decltype(auto) of_width(const Text& text, F f) {
    if (text.width == 1) return f(static_cast<const uint8_t*>(text.data));
    if (text.width == 2) return f(static_cast<const uint16_t*>(text.data));
    return f(static_cast<const uint32_t*>(text.data));
}

// Write a character as UTF-8, surrogates as three bytes: the order of bytes is
// that of characters. Return the end.
inline uint8_t* put_utf8(uint32_t c, uint8_t* out) {
    if (c < 0x80) {
        *out++ = static_cast<uint8_t>(c);
    } else if (c < 0x800) {
        *out++ = static_cast<uint8_t>(0xC0 | c >> 6);
        *out++ = static_cast<uint8_t>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = static_cast<uint8_t>(0xE0 | c >> 12);
        *out++ = static_cast<uint8_t>(0x80 | (c >> 6 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (c & 0x3F));
    } else {
        *out++ = static_cast<uint8_t>(0xF0 | c >> 18);
        *out++ = static_cast<uint8_t>(0x80 | (c >> 12 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (c >> 6 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (c & 0x3F));
    }
    return out;
}

// The position of the first surrogate in UTF-8, or n.
inline size_t find_surrogate(const uint8_t* text, size_t n) {
    for (size_t i = 0; i + 1 < n; ++i)
        if (text[i] == 0xED && text[i + 1] >= 0xA0) return i;
    return n;
}
