// The checks that bindings of chains share.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bind_arrays.hpp"
#include "chain/dense_block.hpp"

// Returns the number of sequences that the offsets cut the rows of X into.
template <class I>
size_t sequences_of(const In<int64_t>& offsets, const In<I>& indptr) {
    require(offsets.size() > 0 && indptr.size() > 0 && offsets.data()[0] == 0, "offsets and indptr must start at 0");
    require(std::is_sorted(offsets.data(), offsets.data() + offsets.size()), "offsets must not decrease");
    require(static_cast<size_t>(offsets.data()[offsets.size() - 1]) == indptr.size() - 1,
            "offsets must end at the number of rows");
    return offsets.size() - 1;
}

// Returns the block of dense features whose rows lie in `vectors`, those of the features after the columns of X.
template <class T>
DenseBlock<T> dense_block(const In<T>& vectors, size_t vector_size, size_t n_tokens, size_t n_columns) {
    require(vectors.size() == product(n_tokens, vector_size), "vectors must have vector_size numbers a token");
    product(n_columns, 1), product(vector_size, 1);
    return {vectors.data(), n_columns, vector_size};
}

inline void check_pairs(const In<int64_t>& first, const In<int32_t>& label, size_t n_columns, size_t K) {
    if (!first.size()) return;
    const int64_t* begin = first.data();
    require(first.size() == n_columns + 1 && begin[0] == 0 && std::is_sorted(begin, begin + first.size()),
            "first must have one entry more than there are columns, sorted");
    require(static_cast<size_t>(begin[n_columns]) == label.size() && between(label, 0, K),
            "label must have a label for each pair");
}
