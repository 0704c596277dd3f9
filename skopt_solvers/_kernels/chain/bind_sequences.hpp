// The checks that bindings of chains share.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bind_arrays.hpp"

// Returns the number of sequences that the offsets cut the rows of X into.
template <class I>
size_t sequences_of(const In<int64_t>& offsets, const In<I>& indptr) {
    require(offsets.size() > 0 && indptr.size() > 0 && offsets.data()[0] == 0, "offsets and indptr must start at 0");
    require(std::is_sorted(offsets.data(), offsets.data() + offsets.size()), "offsets must not decrease");
    require(static_cast<size_t>(offsets.data()[offsets.size() - 1]) == indptr.size() - 1,
            "offsets must end at the number of rows");
    return offsets.size() - 1;
}

inline void check_pairs(const In<int64_t>& first, const In<int32_t>& label, size_t n_columns, size_t K) {
    if (!first.size()) return;
    const int64_t* begin = first.data();
    require(first.size() == n_columns + 1 && begin[0] == 0 && std::is_sorted(begin, begin + first.size()),
            "first must have one entry more than there are columns, sorted");
    require(static_cast<size_t>(begin[n_columns]) == label.size() && between(label, 0, K),
            "label must have a label for each pair");
}
