// The rows of a pass over all sequences, in the order in which it takes them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/csr.hpp"
#include "chain/sequences.hpp"

// Copies the rows into the order of the pass, which reads its memory from the first byte to the last then. Where there
// is no room for a copy it finds them in X.
template <class T, class I>
class PassRows {
public:
    std::vector<size_t> first;  // row of each sequence of the order

    PassRows(const ChainData<T, I>& data, const PassOrder& order, bool copied)
        : data_(data), order_(order), copied_(copied),
          ones_(copied && std::all_of(data.X.data, data.X.data + data.X.n_entries(), [](T x) { return x == T(1); })) {}

    // Returns the bytes that the copy takes.
    size_t bytes() const {
        const auto& X = data_.X;
        return copied_ ? X.n_entries() * (sizeof(I) + (ones_ ? 0 : sizeof(T))) + (X.n_rows + 1) * sizeof(I) : 0;
    }

    // Returns the matrix, whose values are null where all are one.
    Csr<T, I> matrix() {
        if (first.empty()) prepare();
        Csr<T, I> X = data_.X;
        if (copied_) X = {indptr_.data(), indices_.data(), values_.data(), indptr_.size() - 1, X.n_cols};
        if (ones_) X.data = nullptr;
        return X;
    }

private:
    void prepare() {
        const auto& X = data_.X;
        first.reserve(order_.sequences.size());
        if (copied_) {
            indptr_.reserve(X.n_rows + 1), indices_.reserve(X.n_entries());
            if (!ones_) values_.reserve(X.n_entries());
            indptr_.assign(1, 0);
        }
        for (int64_t s : order_.sequences) {
            const size_t begin = data_.offsets[s], end = data_.offsets[s + 1];
            first.push_back(copied_ ? indptr_.size() - 1 : begin);
            if (!copied_) continue;
            const size_t p = X.indptr[begin], last = X.indptr[end];
            for (size_t i = begin; i < end; ++i) indptr_.push_back(indptr_.back() + (X.indptr[i + 1] - X.indptr[i]));
            indices_.insert(indices_.end(), X.indices + p, X.indices + last);
            if (!ones_) values_.insert(values_.end(), X.data + p, X.data + last);
        }
    }

    const ChainData<T, I>& data_;
    const PassOrder& order_;
    const bool copied_, ones_;
    std::vector<I> indptr_, indices_;
    std::vector<T> values_;
};
