// The order of strings, of characters by their codes: that of Python, and of
// the bytes of UTF-8.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "features/string_table.hpp"

// Eight bytes of a string as a number of the same order, and whose they are.
struct Prefix {
    uint64_t bytes;
    uint32_t id;
};

inline uint64_t prefix_of(std::string_view s, size_t offset) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < 8; ++i)
        bytes = bytes << 8 | (offset + i < s.size() ? static_cast<uint8_t>(s[offset + i]) : 0);
    return bytes;
}

// In ascending order of the bytes, by eleven bits at a time. Its 16 kB of the stack are not those of a recursion.
[[gnu::noinline]] inline void radix_sort(Prefix* begin, size_t n, std::vector<Prefix>& scratch) {
    scratch.resize(n);
    Prefix *from = begin, *to = scratch.data();
    for (int shift = 0; shift < 64; shift += 11) {
        size_t starts[2049] = {};
        for (size_t i = 0; i < n; ++i) ++starts[(from[i].bytes >> shift & 2047) + 1];
        if (std::find(starts + 1, starts + 2049, n) != starts + 2049) continue;  // all alike here
        std::partial_sum(starts, starts + 2049, starts);
        for (size_t i = 0; i < n; ++i) to[starts[from[i].bytes >> shift & 2047]++] = from[i];
        std::swap(from, to);
    }
    if (from != begin) std::copy(from, from + n, begin);
}

constexpr size_t kDeepest = 512;  // from here on strings are compared as wholes: a recursion needs a stack

// Sort strings that are equal up to `offset` by what follows.
template <class StringOf>
void sort_from(Prefix* begin, size_t n, size_t offset, StringOf& string_of, std::vector<Prefix>& scratch) {
    bool ended = true;
    for (size_t i = 0; i < n; ++i) {
        std::string_view s = string_of(begin[i].id);
        ended = ended && s.size() <= offset;
        begin[i].bytes = s.size() <= offset ? 0 : prefix_of(s, offset);
    }
    if (ended || offset >= kDeepest)  // where all have ended, they differ in the number of NULs at their ends
        return std::sort(begin, begin + n,
                         [&](const Prefix& a, const Prefix& b) { return string_of(a.id) < string_of(b.id); });
    if (n > 256)
        radix_sort(begin, n, scratch);
    else
        std::sort(begin, begin + n, [](const Prefix& a, const Prefix& b) { return a.bytes < b.bytes; });
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && begin[j].bytes == begin[i].bytes;) ++j;
        if (j - i > 1) sort_from(begin + i, j - i, offset + 8, string_of, scratch);
    }
}

// The ids in ascending order of their strings, which are distinct.
template <class StringOf>
std::vector<uint32_t> sorted_ids(std::vector<uint32_t> ids, StringOf string_of) {
    std::vector<Prefix> prefixes(ids.size()), scratch;
    for (size_t i = 0; i < ids.size(); ++i) prefixes[i].id = ids[i];
    sort_from(prefixes.data(), prefixes.size(), 0, string_of, scratch);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = prefixes[i].id;
    return ids;
}
