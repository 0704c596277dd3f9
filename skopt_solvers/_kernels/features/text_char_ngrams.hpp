// N-grams of characters, of a whole text and within its words.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "features/text_characters.hpp"
#include "features/text_spans.hpp"

struct NgramRange {
    size_t low = 1, high = 1;
};

// Where the characters of a text, or of a word, begin as UTF-8, and where the
// last one ends.
using Offsets = std::vector<uint32_t>;

inline Span between(const Offsets& offsets, size_t first, size_t last) {
    return {offsets[first], offsets[last] - offsets[first]};
}

// N-grams of a text in which a run of white space is one space; all of one
// length before those of the next.
template <class C>
void char_ngrams(const C* in, size_t n, const CharacterTable& characters, NgramRange range, Offsets& offsets,
                 Spans& spans) {
    uint8_t *const start = spans.room(n), *out = start;
    offsets.clear();
    const auto is_space = [&](size_t i) { return i < n && (characters[in[i]] & CharacterTable::kSpace); };
    for (size_t i = 0; i < n;) {
        offsets.push_back(static_cast<uint32_t>(out - start));
        uint32_t code = characters[in[i]] & CharacterTable::kCode;
        if (is_space(i) && is_space(i + 1)) {
            code = ' ';
            while (is_space(i + 1)) ++i;
        }
        out = put_utf8(code, out);
        ++i;
    }
    offsets.push_back(static_cast<uint32_t>(out - start));
    spans.close(out);
    size_t size = offsets.size() - 1;
    for (size_t length = range.low; length <= std::min(range.high, size); ++length)
        for (size_t i = 0; i + length <= size; ++i) spans.parts.push_back(between(offsets, i, i + length));
}

// N-grams of each word with a space before and after it; a word that is shorter
// counts once, as a whole.
template <class C>
void char_wb_ngrams(const C* in, size_t n, const CharacterTable& characters, NgramRange range, Offsets& offsets,
                    Spans& spans) {
    uint8_t *const start = spans.room(n), *out = start;
    const auto is_space = [&](size_t i) { return characters[in[i]] & CharacterTable::kSpace; };
    for (size_t i = 0; i < n;) {
        if (is_space(i)) {
            ++i;
            continue;
        }
        offsets.clear();
        const auto put = [&](uint32_t code) {
            offsets.push_back(static_cast<uint32_t>(out - start));
            out = put_utf8(code, out);
        };
        put(' ');
        for (; i < n && !is_space(i); ++i) put(characters[in[i]] & CharacterTable::kCode);
        put(' ');
        offsets.push_back(static_cast<uint32_t>(out - start));
        size_t size = offsets.size() - 1;
        for (size_t length = range.low; length <= range.high; ++length) {
            if (size <= length) {
                spans.parts.push_back(between(offsets, 0, size));
                break;
            }
            for (size_t first = 0; first + length <= size; ++first)
                spans.parts.push_back(between(offsets, first, first + length));
        }
    }
    spans.close(out);
}
