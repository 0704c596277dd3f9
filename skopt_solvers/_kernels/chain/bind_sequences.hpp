// The checks that bindings of chains share.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bind_arrays.hpp"
#include "chain/conditions.hpp"
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

// Returns the triples of features and two labels that have a weight; there are none where `first` is empty.
inline Triples triples_of(const In<int32_t>& slot, const In<int64_t>& first, const In<int32_t>& pair, size_t n_columns,
                          size_t K) {
    require(first.size() || !(slot.size() || pair.size()), "slot and pair are of the features that first has");
    if (!first.size()) return {};
    const int64_t* begin = first.data();
    const size_t n = first.size() - 1;
    require(slot.size() == n_columns && between(slot, -1, n),
            "slot must be one a column of X, from -1 to the features");
    require(begin[0] == 0 && std::is_sorted(begin, begin + n + 1) && static_cast<size_t>(begin[n]) == pair.size(),
            "first must rise from 0 to the number of pairs");
    require(product(K, K) <= INT32_MAX && between(pair, 0, K * K), "pair must be from 0 to the square of n_labels");
    return {slot.data(), begin, pair.data(), n, pair.size()};
}
