// The gradient of a batch of sparse rows, on the columns that it touches.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/csr.hpp"
#include "base/objective.hpp"
#include "base/touched_columns.hpp"
#include "base/vectors.hpp"

// Sums the gradient of one output in the place of each column, beside the number of its non-zeros in the batch and 1
// over that in all rows: all are one load and one store, and a column whose number is 0 is new to the batch.
template <class T>
class ColumnSums {
public:
    // Up to so many rows the numbers are exact.
    static constexpr size_t kMostRows = static_cast<size_t>(1 / std::numeric_limits<T>::epsilon());

    // Begins with the inverse counts of the columns, once.
    void prepare(const T* inverse_count, size_t n_columns) {
        if (!columns_.empty()) return;
        columns_.resize(4 * n_columns);
        for (size_t j = 0; j < n_columns; ++j) columns_[4 * j + 2] = inverse_count[j];
    }
    void forget() { columns_.clear(); }

    // Adds sum_b x_b d_b. The columns go to `seen`, which has room for one more than there are non-zeros; returns how
    // many they are. Whether a column is new is a coin toss, so the loop has no branch for it. Some columns of a row,
    // which are all different, are loaded before the first is listed: loads wait for stores whose place is not known.
    template <class I>
    WITHOUT_VECTORS size_t add(const Csr<T, I>& X, const int64_t* batch, size_t n, const T* d, int64_t* seen) {
        Column* columns = reinterpret_cast<Column*>(columns_.data());
        size_t touched = 0;
        for (size_t b = 0; b < n; ++b) {
            const Column factor = {d[b], T(1), T(0), T(0)};
            const I* indices = X.indices + X.indptr[batch[b]];
            const T* x = X.data + X.indptr[batch[b]];
            const auto add = [&]<int N>(size_t p) {
                Column column[N];
                UNROLLED_FOR (int q = 0; q < N; ++q) column[q] = columns[indices[p + q]];
                UNROLLED_FOR (int q = 0; q < N; ++q) {
                    seen[touched] = static_cast<int64_t>(indices[p + q]);
                    touched += is_zero(column[q][1]);
                }
                UNROLLED_FOR (int q = 0; q < N; ++q)
                    columns[indices[p + q]] = column[q] + Column{x[p + q], T(1), T(0), T(0)} * factor;
            };
            if (b + 1 < n) X.each(batch[b + 1], [&](size_t j, T) { __builtin_prefetch(columns + j, 1); });
            size_t p = 0, nnz = X.size(batch[b]);
            for (; p + kTogether <= nnz; p += kTogether) add.template operator()<kTogether>(p);
            for (; p < nnz; ++p) add.template operator()<1>(p);
        }
        return touched;
    }

    // Takes the sums of the columns seen, and `times` the part of all their non-zeros that the batch has.
    WITHOUT_VECTORS void take(const int64_t* seen, size_t n, T times, T* values, T* share) {
        Column* columns = reinterpret_cast<Column*>(columns_.data());
        for (size_t r = 0; r < n; ++r) {
            const int64_t j = seen[r];
            const Column column = columns[j];
            columns[j] = Column{T(0), T(0), column[2], T(0)};
            values[r] = column[0];
            share[r] = times * (column[1] * column[2]);
        }
    }

private:
    static constexpr int kTogether = 4;
    typedef T Column __attribute__((vector_size(4 * sizeof(T)), may_alias));

    static bool is_zero(T number) {
        std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t> bits;
        std::memcpy(&bits, &number, sizeof bits);
        return bits == 0;
    }

    Aligned<T> columns_;
};

// Has the interface of DenseColumns.
template <class T, class I>
class SparseColumns {
public:
    // Counts the non-zeros of each column in the given rows, once.
    void prepare(const Csr<T, I>& X, const int64_t* rows, size_t n) { numbered_.prepare(X, rows, n); }

    void count_as(const double* count, size_t n_columns, double times) {
        numbered_.count_as(count, n_columns, times);
        sums_.forget();
    }

    // Begins a batch. The weights W of several outputs are called early.
    void touch(const Csr<T, I>& X, const int64_t* batch, size_t n, const T* W, size_t K) {
        summed_ = K == 1 && n <= ColumnSums<T>::kMostRows;
        if (!summed_) return numbered_.touch(X, batch, n, [&](size_t j) { prefetch_all(W + j * K, K); });
        sums_.prepare(numbered_.inverse_count(), X.n_cols);
        for (size_t b = 0; b < std::min(n, kRowsAhead); ++b) X.call(batch[b]);
    }

    // Calls the row that is read some rows after row b of the batch.
    void call_ahead(const Csr<T, I>& X, const int64_t* batch, size_t b, size_t n) const {
        if (summed_ && b + kRowsAhead < n) X.call(batch[b + kRowsAhead]);
    }

    // Sets the rows of the gradient on these columns: the values are sum_b x_b d_b^T, and each has its share of the
    // penalty, `times` the part of all non-zeros of the column that the batch has. There is room for one row more.
    void gradient(const Csr<T, I>& X, const int64_t* batch, size_t n, const T* d, size_t K, T times,
                  RowGradient<T>& out) {
        if (summed_) {
            size_t nnz = 0;
            for (size_t b = 0; b < n; ++b) nnz += X.size(batch[b]);
            reserve(out.rows, nnz + 1);
            out.size = sums_.add(X, batch, n, d, out.rows.data());
            reserve(out.values, out.size + 1);
            reserve(out.share, out.size + 1);
            sums_.take(out.rows.data(), out.size, times, out.values.data(), out.share.data());
            return;
        }
        out.size = numbered_.size;
        reserve(out.rows, out.size + 1);
        reserve(out.values, (out.size + 1) * K);
        reserve(out.share, out.size + 1);
        std::fill_n(out.values.data(), out.size * K, T(0));
        const uint32_t* number = numbered_.local.data();
        for (size_t b = 0; b < n; ++b) {
            const size_t begin = X.indptr[batch[b]], nnz = X.size(batch[b]);
            scatter(number, X.data + begin, nnz, d + b * K, K, out.values.data());
            number += nnz;
        }
        std::copy_n(numbered_.columns.data(), out.size, out.rows.data());
        for (size_t r = 0; r < out.size; ++r) out.share[r] = times * numbered_.part(r);
    }

private:
    bool summed_ = false;
    ColumnSums<T> sums_;             // of one output
    TouchedColumns<T, I> numbered_;  // of several
};

template <class T, class I>
SparseColumns<T, I> batch_columns_of(const Csr<T, I>&);
