// The columns of X that a batch of its rows touches, numbered in the order of their first use.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "csr.hpp"

template <class A, class M>
inline void reserve(std::vector<A, M>& buffer, size_t n) {
    if (buffer.size() < n) buffer.resize(n + n / 2);
}

template <class T, class I>
class TouchedColumns {
public:
    std::vector<int64_t> columns;  // the first `size` are of this batch
    std::vector<uint32_t> local;   // the number of each non-zero's column, row after row
    size_t size = 0;

    // Counts the non-zeros of each column in the given rows, once.
    void prepare(const Csr<T, I>& X, const int64_t* rows, size_t n) {
        if (!slot_.empty()) return;
        slot_.assign(X.n_cols + 1, -1);
        inverse_count_.assign(X.n_cols, T(0));
        std::vector<uint32_t> count(X.n_cols, 0);
        for (size_t a = 0; a < n; ++a)
            for (size_t p = X.indptr[rows[a]]; p < static_cast<size_t>(X.indptr[rows[a] + 1]); ++p) ++count[X.indices[p]];
        for (size_t j = 0; j < X.n_cols; ++j)
            if (count[j]) inverse_count_[j] = T(1) / count[j];
    }

    // weights_of(j) is where the weights of column j lie, to call them early. Whether a column is new to the batch is a
    // coin toss, so the loop has no branch for it.
    template <class F>
    void touch(const Csr<T, I>& X, const int64_t* batch, size_t n, F weights_of) {
        size_t nnz = 0, q = 0;
        for (size_t b = 0; b < n; ++b) nnz += X.indptr[batch[b] + 1] - X.indptr[batch[b]];
        reserve(local, nnz);
        reserve(touches_, nnz + 1);
        reserve(columns, nnz + 1);
        uint32_t *number = local.data(), *touches = touches_.data();
        int64_t* seen = columns.data();
        int32_t *slot = slot_.data(), touched = 0;
        for (size_t b = 0; b < n; ++b) {
            if (b + kRowsAhead < n) {
                size_t begin = X.indptr[batch[b + kRowsAhead]], length = X.indptr[batch[b + kRowsAhead] + 1] - begin;
                prefetch_all(X.indices + begin, length);
                prefetch_all(X.data + begin, length);
            }
            if (b + 1 < n) {
                const I *next = X.indices + X.indptr[batch[b + 1]], *last = X.indices + X.indptr[batch[b + 1] + 1];
                for (; next < last; ++next) {
                    __builtin_prefetch(slot + *next, 1);
                    __builtin_prefetch(weights_of(*next));
                }
            }
            const I *index = X.indices + X.indptr[batch[b]], *end = X.indices + X.indptr[batch[b] + 1];
            for (; index < end; ++index) {
                int32_t s = slot[*index], fresh = s < 0;
                s = fresh ? touched : s;
                slot[*index] = s;
                seen[touched] = *index;
                touched += fresh;
                ++touches[s];
                number[q++] = s;
            }
        }
        size = touched;
    }

    // The part of all non-zeros of the r-th touched column that the batch has.
    T part(size_t r) const { return static_cast<T>(touches_[r]) * inverse_count_[columns[r]]; }

    // Makes ready for the next batch.
    void clear() {
        for (size_t r = 0; r < size; ++r) touches_[r] = 0, slot_[columns[r]] = -1;
    }

private:
    std::vector<int32_t> slot_;
    std::vector<uint32_t> touches_;
    std::vector<T> inverse_count_;
};
