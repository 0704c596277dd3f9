// Reads UTF-8, and knows of characters what Python does.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "skopt_predict/model_file.h"

namespace skopt {
namespace detail {

inline std::u32string decoded(std::string_view text) {
    constexpr std::array<char32_t, 4> least = {0, 0x80, 0x800, 0x10000};
    std::u32string out;
    for (size_t i = 0; i < text.size();) {
        const auto at = [&](size_t k) { return char32_t(uint8_t(text[i + k])); };
        size_t more = at(0) < 0x80 ? 0 : at(0) < 0xE0 ? 1 : at(0) < 0xF0 ? 2 : 3;
        char32_t c = more ? at(0) & (0x3F >> more) : at(0);
        bool right = (!more || (at(0) >= 0xC0 && at(0) < 0xF8)) && more < text.size() - i;
        for (size_t k = 1; right && k <= more; ++k) {
            right = (at(k) & 0xC0) == 0x80;
            c = c << 6 | (at(k) & 0x3F);
        }
        if (!right || c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            throw std::invalid_argument("text must be UTF-8, and has other bytes at " + std::to_string(i));
        out += c;
        i += more + 1;
    }
    return out;
}

inline std::string encoded(std::u32string_view text) {
    std::string out;
    for (char32_t c : text) {
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        out += char(more ? (0xFF00u >> (more + 1) & 0xFF) | c >> 6 * more : c);
        while (more--) out += char(0x80 | (c >> 6 * more & 0x3F));
    }
    return out;
}

// What Python knows of each character, as runs that are alike.
class Characters {
public:
    enum Fact {
        kToken = 1,
        kSpace = 2,
        kCased = 4,
        kIgnored = 8,
        kUpper = 16,
        kLower = 32,
        kTitle = 64,
        kAlpha = 128,
        kDigit = 256
    };

    explicit Characters(const File& file)
        : first_(file.integers("characters.first")), lower_(file.integers("characters.lower")),
          facts_(file.integers("characters.facts")) {
        require(!first_.empty() && first_[0] == 0 && std::is_sorted(first_.begin(), first_.end()), "characters");
        require(lower_.size() == first_.size() && facts_.size() == first_.size(), "characters");
        for (size_t c = 0; c < ascii_.size(); ++c) ascii_[c] = find(char32_t(c));
    }

    bool is(char32_t c, int facts) const { return facts_[run(c)] & facts; }

    // As str.lower does it.
    std::u32string lower(std::u32string_view text) const {
        std::u32string out;
        for (size_t i = 0; i < text.size(); ++i) {
            char32_t c = text[i];
            if (c == 0x130) {
                out += U"i\u0307";  // the only one that becomes two
            } else if (c == 0x3A3) {
                out += ends_word(text, i) ? U'\u03C2' : U'\u03C3';
            } else {
                out += char32_t(int32_t(c) + lower_[run(c)]);
            }
        }
        return out;
    }

private:
    std::vector<int32_t> first_, lower_, facts_;
    std::array<size_t, 128> ascii_{};

    size_t find(char32_t c) const {
        return size_t(std::upper_bound(first_.begin(), first_.end(), int32_t(c)) - first_.begin()) - 1;
    }
    size_t run(char32_t c) const { return c < 128 ? ascii_[c] : find(c); }

    bool ends_word(std::u32string_view text, size_t i) const {
        size_t before = i, after = i + 1;
        while (before && is(text[before - 1], kIgnored)) --before;
        while (after < text.size() && is(text[after], kIgnored)) ++after;
        return before && is(text[before - 1], kCased) && (after == text.size() || !is(text[after], kCased));
    }
};

}  // namespace detail
}  // namespace skopt
