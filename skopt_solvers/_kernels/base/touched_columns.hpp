// The columns of X that a batch of its rows touches, numbered in the order of their first use.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/csr.hpp"

template <class A, class M>
inline void reserve(std::vector<A, M>& buffer, size_t n) {
    if (buffer.size() < n) buffer.resize(n + n / 2);
}

// Returns 1 over the counts, each divided by `times`, and 0 where there is none.
template <class T>
std::vector<T> inverse_counts(const double* count, size_t n_columns, double times) {
    std::vector<T> inverse(n_columns, T(0));
    for (size_t j = 0; j < n_columns; ++j)
        if (count[j] > 0) inverse[j] = static_cast<T>(times / count[j]);
    return inverse;
}

template <class T, class I>
class TouchedColumns {
public:
    std::vector<int64_t> columns;  // the first `size` are of this batch
    std::vector<uint32_t> local;   // the number of each non-zero's column, row after row
    size_t size = 0;

    bool prepared() const { return !inverse_count_.empty(); }

    // Counts the non-zeros of each column in the given rows, once.
    void prepare(const Csr<T, I>& X, const int64_t* rows, size_t n) { prepare(X, rows, n, Whole{X.indptr}); }

    // Counts those of row i from part(i).first to part(i).second alone.
    template <class P>
    void prepare(const Csr<T, I>& X, const int64_t* rows, size_t n, P part) {
        if (prepared()) return;
        std::vector<uint32_t> count(X.n_cols, 0);
        for (size_t a = 0; a < n; ++a)
            for (auto [p, end] = part(rows[a]); p < end; ++p) ++count[X.indices[p]];
        inverse_count_.assign(X.n_cols + 1, T(0));
        for (size_t j = 0; j < X.n_cols; ++j)
            if (count[j]) inverse_count_[j] = T(1) / count[j];
    }

    // Sets, before `prepare`, the counts that take the place of its own, each to be divided by `times`.
    void count_as(const double* count, size_t n_columns, double times) {
        inverse_count_ = inverse_counts<T>(count, n_columns, times);
    }

    template <class F>
    void touch(const Csr<T, I>& X, const int64_t* batch, size_t n, F call) {
        touch(X, batch, n, call, Whole{X.indptr});
    }

    // Numbers the columns of a batch, and forgets the batch before. call(j) calls the weights of column j early.
    // Whether a column is new to the batch is a coin toss, so the loop has no branch for it.
    template <class F, class P>
    void touch(const Csr<T, I>& X, const int64_t* batch, size_t n, F call, P part) {
        if (slot_.empty()) slot_.assign(X.n_cols + 1, -1);
        for (size_t r = 0; r < size; ++r) touches_[r] = 0, slot_[columns[r]] = -1;
        size = 0;
        size_t nnz = 0, q = 0;
        for (size_t b = 0; b < n; ++b) nnz += part(batch[b]).second - part(batch[b]).first;
        reserve(local, nnz);
        reserve(touches_, nnz + 1);
        reserve(columns, nnz + 1);
        uint32_t *number = local.data(), *touches = touches_.data();
        int64_t* seen = columns.data();
        int32_t *slot = slot_.data(), touched = 0;
        for (size_t b = 0; b < n; ++b) {
            if (b + kRowsAhead < n) {
                auto [begin, end] = part(batch[b + kRowsAhead]);
                prefetch_all(X.indices + begin, end - begin);
                prefetch_all(X.data + begin, end - begin);
            }
            if (b + 1 < n) {
                auto [next, end] = part(batch[b + 1]);
                for (; next < end; ++next) {
                    __builtin_prefetch(slot + X.indices[next], 1);
                    call(X.indices[next]);
                }
            }
            auto [p, end] = part(batch[b]);
            for (; p < end; ++p) {
                I j = X.indices[p];
                int32_t s = slot[j], fresh = s < 0;
                s = fresh ? touched : s;
                slot[j] = s;
                seen[touched] = j;
                touched += fresh;
                ++touches[s];
                number[q++] = s;
            }
        }
        size = touched;
    }

    // Returns the part of all non-zeros of the r-th touched column that the batch has.
    T part(size_t r) const { return static_cast<T>(touches_[r]) * inverse_count_[columns[r]]; }

    // Returns 1 over the counts of all columns.
    const T* inverse_count() const { return inverse_count_.data(); }

private:
    struct Whole {
        const I* indptr;
        std::pair<size_t, size_t> operator()(int64_t i) const { return {indptr[i], indptr[i + 1]}; }
    };

    std::vector<int32_t> slot_;
    std::vector<uint32_t> touches_;
    std::vector<T> inverse_count_;
};
