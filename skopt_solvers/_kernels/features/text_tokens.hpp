// Words of a text: runs of one class of characters.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "features/text_characters.hpp"
#include "features/text_spans.hpp"

// Which runs are tokens, as a regular expression says: class{min_length,},
// between \b where bounded.
struct TokenRule {
    size_t min_length = 2;
    bool bounded = false;
    bool words = true;  // the class is \w
};

#if defined(__SSE2__)
// 64 characters of ASCII: writes them, in lower case if `lower`, and returns
// the mask of those of \w.
inline uint64_t word_mask(const uint8_t* in, uint8_t* out, bool lower) {
    const auto between = [](__m128i x, char low, char high) {
        __m128i above = _mm_cmpgt_epi8(x, _mm_set1_epi8(static_cast<char>(low - 1)));
        return _mm_and_si128(above, _mm_cmplt_epi8(x, _mm_set1_epi8(static_cast<char>(high + 1))));
    };
    uint64_t mask = 0;
    for (int k = 0; k < 4; ++k) {
        __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 16 * k));
        __m128i lowered = _mm_or_si128(x, _mm_and_si128(between(x, 'A', 'Z'), _mm_set1_epi8(0x20)));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16 * k), lower ? lowered : x);
        __m128i word = _mm_or_si128(between(lowered, 'a', 'z'), between(x, '0', '9'));
        word = _mm_or_si128(word, _mm_cmpeq_epi8(x, _mm_set1_epi8('_')));
        mask |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(word))) << (16 * k);
    }
    return mask;
}

// Tokens of \w in ASCII; they stay where they are in the copy.
inline void ascii_words(const uint8_t* in, size_t n, size_t min_length, bool lower, Spans& spans) {
    uint8_t* out = spans.room(n);
    spans.parts.resize(n / 2 + 2);
    Span* part = spans.parts.data();
    uint64_t before = 0;  // whether the character before is of \w
    size_t begin = 0;
    bool inside = false;
    const auto end_at = [&](size_t end) {
        *part = {static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)};
        part += end - begin >= min_length;
    };
    for (size_t i = 0; i < n; i += 64) {
        uint64_t mask;
        if (n - i >= 64) {
            mask = word_mask(in + i, out + i, lower);
        } else {
            uint8_t rest[64] = {};
            std::copy(in + i, in + n, rest);
            mask = word_mask(rest, out + i, lower);
        }
        uint64_t changes = mask ^ (mask << 1 | before);
        before = mask >> 63;
        for (; changes; changes &= changes - 1) {
            size_t at = i + std::countr_zero(changes);
            if (inside) end_at(at);
            begin = at;
            inside = !inside;
        }
    }
    if (inside) end_at(n);
    spans.close(out + n);
    spans.parts.resize(part - spans.parts.data());
}
#endif

// Tokens of any class, one after the other with a space between them.
template <class C>
void class_runs(const C* in, size_t n, const CharacterTable& characters, size_t min_length, Spans& spans) {
    uint8_t *const start = spans.room(n), *out = start;
    for (size_t i = 0; i < n;) {
        uint32_t entry = characters[in[i]];
        if (!(entry & CharacterTable::kToken)) {
            ++i;
            continue;
        }
        uint8_t* begin = out;
        size_t first = i;
        do {
            out = put_utf8(entry & CharacterTable::kCode, out);
        } while (++i < n && ((entry = characters[in[i]]) & CharacterTable::kToken));
        if (i - first < min_length) {
            out = begin;
            continue;
        }
        spans.parts.push_back({static_cast<uint32_t>(begin - start), static_cast<uint32_t>(out - begin)});
        *out++ = ' ';
    }
    spans.close(out);
}

// The same between word boundaries: of a run the longest part from the first
// boundary to the last, then what is left.
template <class C>
void bounded_runs(const C* in, size_t n, const CharacterTable& characters, size_t min_length, Spans& spans) {
    uint8_t *const start = spans.room(n), *out = start;
    const auto is_word = [&](size_t i) { return i < n && (characters[in[i]] & CharacterTable::kWord); };
    const auto boundary = [&](size_t i) { return (i > 0 && is_word(i - 1)) != is_word(i); };
    const auto is_token = [&](size_t i) { return i < n && (characters[in[i]] & CharacterTable::kToken); };
    for (size_t i = 0; i < n; ++i) {
        if (!is_token(i)) continue;
        size_t end = i;
        while (is_token(end)) ++end;
        while (i + min_length <= end) {
            size_t last = boundary(i) ? end : 0;
            while (last >= i + min_length && !boundary(last)) --last;
            if (last < i + min_length) {
                ++i;
                continue;
            }
            uint8_t* begin = out;
            for (; i < last; ++i) out = put_utf8(characters[in[i]] & CharacterTable::kCode, out);
            spans.parts.push_back({static_cast<uint32_t>(begin - start), static_cast<uint32_t>(out - begin)});
            *out++ = ' ';
        }
        i = end;
    }
    spans.close(out);
}

// The tokens of a text. `compact`: they lie one after the other with a space
// between them.
inline void tokenize(const Text& text, const CharacterTable& characters, bool lower, const TokenRule& rule,
                     bool compact, Spans& spans) {
    of_width(text, [&](auto* in) {
#if defined(__SSE2__)
        if constexpr (sizeof *in == 1)
            if (text.ascii && rule.words && !compact)
                return ascii_words(in, text.length, rule.min_length, lower, spans);
#endif
        if (rule.bounded && !rule.words) return bounded_runs(in, text.length, characters, rule.min_length, spans);
        class_runs(in, text.length, characters, rule.min_length, spans);
    });
}
