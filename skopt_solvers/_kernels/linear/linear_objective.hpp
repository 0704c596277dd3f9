// The objective of linear models over CSR rows: margins Z = X W, their loss, and the gradient X^T dZ.
//
// W is a table (n_features [+ 1], K), row-major: the K values of a feature lie together, and the last row is the
// intercept where there is one. omega_i are the sample weights divided by their sum.
#pragma once
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/column_ranges.hpp"
#include "base/csr.hpp"
#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "base/parallel.hpp"
#include "base/touched_columns.hpp"
#include "linear/losses.hpp"

template <class T, class I>
class LinearObjective : public Objective<T> {
public:
    // `active` lists the rows of weight > 0, in order: the samples of the problem.
    LinearObjective(Csr<T, I> X, const int32_t* labels, const T* omega, const int64_t* active, size_t n_active,
                    size_t K, bool intercept, std::unique_ptr<Loss<T>> loss, Penalty<T> penalty, int n_threads,
                    size_t n_models = 1)
        : X_(X), labels_(labels), omega_(omega), active_(active), n_active_(n_active), loss_(std::move(loss)),
          intercept_(intercept), full_(K == 1 && rows_are_full(X)), n_threads_(n_threads) {
        this->n_rows = X.n_cols + intercept;
        this->n_outputs = K;
        this->n_samples = X.n_rows;
        this->penalty = penalty;
        this->n_models = n_models;
        if (n_models == 1) return;
        auto many = std::make_unique<LossOfMany<T>>(std::move(loss_), n_models);
        many_ = many.get();
        loss_ = std::move(many);
    }

    size_t n_margins() const { return X_.n_rows * this->n_outputs; }
    size_t table_size() const { return this->n_rows * this->n_outputs; }
    size_t n_labels() const { return loss_->n_labels(this->n_outputs); }
    bool joint() const { return loss_->joint(); }
    const Csr<T, I>& X() const { return X_; }
    size_t n_active() const { return n_active_; }
    const int64_t* active() const { return active_; }
    size_t n_penalised() const { return X_.n_cols; }
    int n_threads() const { return n_threads_; }
    int threads() const { return threads_for(n_threads_, static_cast<double>(nnz()) * this->n_outputs); }

    // Computes Z = X W for all rows of X.
    void margins(const T* W, T* Z) const {
        size_t K = this->n_outputs;
        int n = threads();
        Interruption interruption;
        parallel(n, [&](int t) {
            each_row(row_part(t, n), row_part(t + 1, n), t, interruption,
                     [&](size_t i) { margins_of(i, W, Z + i * K); });
        });
        interruption.rethrow();
    }

    // Returns sum_i omega_i loss(Z_i), and writes its gradient with respect to Z to D.
    double loss(const T* Z, T* D) const {
        return by_chunk([&](size_t begin, size_t n, double* sums) {
            size_t K = this->n_outputs;
            sums[0] = loss_of_rows(Z + begin * K, begin, n, D + begin * K);
        })[0];
    }

    // Returns the same of n rows from `begin` on, whose margins are Z.
    double loss_of_rows(const T* Z, size_t begin, size_t n, T* D) const {
        return loss_->rows(Z, labels_ + begin, omega_ + begin, n, this->n_outputs, D);
    }

    // Returns the same at Z + step V, and its derivative with respect to step.
    std::pair<double, double> loss_along(const T* Z, const T* V, double step, T* D) const {
        auto sums = by_chunk([&](size_t begin, size_t n, double* sums) {
            size_t K = this->n_outputs;
            thread_local std::vector<T> shifted;
            shifted.resize(n * K);
            const T *z = Z + begin * K, *v = V + begin * K;
            for (size_t i = 0; i < n * K; ++i) shifted[i] = z[i] + static_cast<T>(step) * v[i];
            sums[0] = loss_of_rows(shifted.data(), begin, n, D + begin * K);
            sums[1] = dot(D + begin * K, v, n * K);
        });
        return {sums[0], sums[1]};
    }

    // Computes G = X^T D.
    void backward(const T* D, T* G) {
        size_t K = this->n_outputs;
        int n = threads();
        if (n == 1) {
            std::fill(G, G + X_.n_cols * K, T(0));
            Interruption interruption;
            scatter_rows_of(0, X_.n_rows, 0, D, G, interruption);
            interruption.rethrow();
        } else if (K == 1) {
            backward_by_rows(n, D, G);
        } else {
            backward_by_columns(n, D, G);
        }
        if (!intercept_) return;
        std::vector<double> sum(K, 0.0);
        for (size_t i = 0; i < X_.n_rows; ++i)
            for (size_t k = 0; k < K; ++k) sum[k] += D[i * K + k];
        for (size_t k = 0; k < K; ++k) G[X_.n_cols * K + k] = static_cast<T>(sum[k]);
    }

    // Returns the penalty at W, and adds the gradient of its smooth part to G where one is given.
    double penalise(const T* W, T* G) const { return ::penalise(this->penalty, W, G, X_.n_cols * this->n_outputs); }

    // Computes sum_i omega_i x_ij^2 for every row j of the table.
    void squared_norms(T* square) const {
        std::fill(square, square + this->n_rows, T(0));
        for (size_t a = 0; a < n_active_; ++a) {
            size_t i = active_[a];
            for (size_t p = X_.indptr[i]; p < static_cast<size_t>(X_.indptr[i + 1]); ++p)
                square[X_.indices[p]] += omega_[i] * X_.data[p] * X_.data[p];
        }
        if (intercept_) square[X_.n_cols] = 1;
    }

    // Sets the counts, in `n_seen` samples for each row of the table, by which the shares of the penalty are taken.
    // They are of a stream so far, of which these samples are the last.
    void count_as(const double* count, double n_seen) {
        touched_.count_as(count, X_.n_cols, n_seen / static_cast<double>(n_active_));
    }

    const RowGradient<T>& gradient(const T* W, const int64_t* batch, size_t n) override {
        size_t K = this->n_outputs;
        touched_.prepare(X_, active_, n_active_);
        touched_.touch(X_, batch, n, [&](size_t j) {
            if (K == 1)
                __builtin_prefetch(W + j);
            else
                prefetch_all(W + j * K, K);
        });
        size_t touched = touched_.size;
        auto& out = batch_;
        z_.resize(n * K);
        d_.resize(n * K);
        labels_of_batch_.resize(n);
        omega_of_batch_.resize(n);
        T scale = static_cast<T>(static_cast<double>(n_active_) / n);
        for (size_t b = 0; b < n; ++b) {
            labels_of_batch_[b] = labels_[batch[b]];
            omega_of_batch_[b] = omega_[batch[b]] * scale;
            margins_of(batch[b], W, z_.data() + b * K);
        }
        out.loss = loss_->rows(z_.data(), labels_of_batch_.data(), omega_of_batch_.data(), n, K, d_.data());
        if (many_) out.losses = many_->last;
        out.size = touched + intercept_;
        reserve(out.rows, out.size);
        reserve(out.values, out.size * K);
        reserve(out.share, out.size);
        T* values = out.values.data();
        std::fill(values, values + out.size * K, T(0));
        const uint32_t* local = touched_.local.data();
        for (size_t b = 0; b < n; ++b) {
            size_t begin = X_.indptr[batch[b]], nnz = X_.indptr[batch[b] + 1] - begin;
            scatter(local, X_.data + begin, nnz, d_.data() + b * K, K, values);
            local += nnz;
        }
        for (size_t r = 0; r < touched; ++r) {
            out.rows[r] = touched_.columns[r];
            out.share[r] = scale * touched_.part(r);
        }
        if (intercept_) {
            out.rows[touched] = X_.n_cols;
            out.share[touched] = 0;
            for (size_t b = 0; b < n; ++b)
                for (size_t k = 0; k < K; ++k) values[touched * K + k] += d_[b * K + k];
        }
        return out;
    }

private:
    size_t nnz() const { return X_.indptr[X_.n_rows]; }

    void margins_of(size_t i, const T* W, T* z) const {
        size_t begin = X_.indptr[i], K = this->n_outputs;
        const T* b = W + X_.n_cols * K;
        for (size_t k = 0; k < K; ++k) z[k] = intercept_ ? b[k] : T(0);
        gather(X_.indices + begin, X_.data + begin, X_.indptr[i + 1] - begin, W, K, z);
    }

    // Returns the first row of part t of n, parts having about as many non-zeros each.
    size_t row_part(int t, int n) const {
        if (t == 0) return 0;
        if (t == n) return X_.n_rows;
        I target = static_cast<I>(nnz() / n * t);
        return std::lower_bound(X_.indptr, X_.indptr + X_.n_rows, target) - X_.indptr;
    }

    // Returns two sums over all rows, formed in fixed chunks that the threads share.
    template <class F>
    std::array<double, 2> by_chunk(F f) const {
        size_t rows = std::max<size_t>(1, 4096 / this->n_outputs), n_chunks = (X_.n_rows + rows - 1) / rows;
        std::vector<double> sums(2 * n_chunks, 0.0);
        int n = threads_for(n_threads_, 10.0 * n_margins());
        Interruption interruption;
        parallel(n, [&](int t) {
            for (size_t c = part(n_chunks, 1, t, n); c < part(n_chunks, 1, t + 1, n) && !interruption.stops(t); ++c)
                f(c * rows, std::min(rows, X_.n_rows - c * rows), &sums[2 * c]);
        });
        interruption.rethrow();
        std::array<double, 2> total{};
        for (size_t c = 0; c < n_chunks; ++c) total[0] += sums[2 * c], total[1] += sums[2 * c + 1];
        return total;
    }

    // Adds the rows' part of X^T D to G.
    void scatter_rows_of(size_t begin, size_t end, int t, const T* D, T* G, Interruption& interruption) const {
        each_row(begin, end, t, interruption, [&](size_t i) {
            if (omega_[i] != 0) scatter_row(i, X_.indices, X_.data, X_.indptr[i], X_.indptr[i + 1], D, G);
        });
    }

    // Tells that every row has every column, in order.
    static bool rows_are_full(const Csr<T, I>& X) {
        for (size_t i = 0; i < X.n_rows; ++i) {
            const I* row = X.indices + X.indptr[i];
            if (static_cast<size_t>(X.indptr[i + 1] - X.indptr[i]) != X.n_cols) return false;
            for (size_t j = 0; j < X.n_cols; ++j)
                if (static_cast<size_t>(row[j]) != j) return false;
        }
        return true;
    }

    void scatter_row(size_t i, const I* indices, const T* data, size_t begin, size_t end, const T* D, T* G) const {
        if (full_) {  // a loop of vectors, which adds the same
            for (size_t j = 0; j < X_.n_cols; ++j) G[j] += data[begin + j] * D[i];
            return;
        }
        scatter(indices + begin, data + begin, end - begin, D + i * this->n_outputs, this->n_outputs, G);
    }

    // With one output the table is small. Each thread has a buffer, and they are added in the order of the threads.
    void backward_by_rows(int n, const T* D, T* G) {
        size_t size = X_.n_cols;
        buffers_.resize((n - 1) * size);
        Interruption interruption;
        parallel(n, [&](int t) {
            T* g = t ? buffers_.data() + (t - 1) * size : G;
            std::fill(g, g + size, T(0));
            scatter_rows_of(row_part(t, n), row_part(t + 1, n), t, D, g, interruption);
        });
        interruption.rethrow();
        parallel(n, [&](int t) {
            for (int b = 0; b < n - 1; ++b)
                for (size_t j = part(size, kChunk, t, n); j < part(size, kChunk, t + 1, n); ++j)
                    G[j] += buffers_[b * size + j];
        });
    }

    // With several, each thread owns a range of columns. There are no buffers, and sums are in the order of the rows.
    void backward_by_columns(int n, const T* D, T* G) {
        size_t K = this->n_outputs;
        if (splits_ != n) split_columns(n);
        Interruption interruption;
        parallel(n, [&](int t) {
            std::fill(G + bounds_[t] * K, G + bounds_[t + 1] * K, T(0));
            each_row(0, X_.n_rows, t, interruption, [&](size_t i) {
                if (omega_[i] == 0) return;
                size_t begin = X_.indptr[i], end = X_.indptr[i + 1];
                if (t + 1 < n) end = begin + cuts_[i * (n - 1) + t];
                if (t > 0) begin += cuts_[i * (n - 1) + t - 1];
                scatter_row(i, split_indices_, split_data_, begin, end, D, G);
            });
        });
        interruption.rethrow();
    }

    // Finds column ranges with about as many non-zeros each, and where each row passes from one to the next, which is 4
    // bytes a row and thread. Rows whose entries are not in the order of the ranges, as a vectorizer's unsorted ones,
    // are put in that order in a copy of the matrix, which only `backward` reads. Sums over a row keep their order.
    void split_columns(int n) {
        std::vector<size_t> count(X_.n_cols + 1, 0);
        size_t total = 0, stride = std::max<size_t>(1, X_.n_rows / 20000);  // some rows tell the balance
        for (size_t i = 0; i < X_.n_rows; i += stride)
            for (size_t p = X_.indptr[i]; p < static_cast<size_t>(X_.indptr[i + 1]); ++p)
                ++count[X_.indices[p]], ++total;
        bounds_ = balanced_ranges(count, total, X_.n_cols, n);
        auto range_of = [&](I column) {
            int r = 0;
            while (static_cast<size_t>(column) >= bounds_[r + 1]) ++r;
            return r;
        };
        cuts_.reset(new uint32_t[X_.n_rows * (n - 1)]);
        std::atomic<bool> in_order = true;
        parallel(n, [&](int t) {
            for (size_t i = row_part(t, n); i < row_part(t + 1, n); ++i) {
                uint32_t* cut = &cuts_[i * (n - 1)];
                std::fill(cut, cut + n - 1, 0u);
                int last = 0;
                bool sorted = true;
                for (size_t p = X_.indptr[i]; p < static_cast<size_t>(X_.indptr[i + 1]); ++p) {
                    int r = range_of(X_.indices[p]);
                    sorted &= r >= last;
                    last = r;
                    for (int s = r; s < n - 1; ++s) ++cut[s];
                }
                if (!sorted) in_order = false;
            }
        });
        split_indices_ = X_.indices;
        split_data_ = X_.data;
        if (!in_order) put_in_order(n, range_of);
        splits_ = n;
    }

    template <class F>
    void put_in_order(int n, F range_of) {
        indices_.reset(new I[nnz()]);
        data_.reset(new T[nnz()]);
        parallel(n, [&](int t) {
            std::vector<size_t> next(n);
            for (size_t i = row_part(t, n); i < row_part(t + 1, n); ++i) {
                size_t begin = X_.indptr[i];
                for (int r = 0; r < n; ++r) next[r] = begin + (r ? cuts_[i * (n - 1) + r - 1] : 0);
                for (size_t p = begin; p < static_cast<size_t>(X_.indptr[i + 1]); ++p) {
                    size_t q = next[range_of(X_.indices[p])]++;
                    indices_[q] = X_.indices[p];
                    data_[q] = X_.data[p];
                }
            }
        });
        split_indices_ = indices_.get();
        split_data_ = data_.get();
    }

    Csr<T, I> X_;
    const int32_t* labels_;
    const T* omega_;
    const int64_t* active_;
    size_t n_active_;
    std::unique_ptr<Loss<T>> loss_;
    const LossOfMany<T>* many_ = nullptr;  // the same, where there are several models
    bool intercept_, full_;                // full_: of one output
    int n_threads_, splits_ = 1;
    std::vector<size_t> bounds_;
    std::vector<T> buffers_;
    const I* split_indices_ = nullptr;
    const T* split_data_ = nullptr;
    std::unique_ptr<I[]> indices_;
    std::unique_ptr<T[]> data_;
    std::unique_ptr<uint32_t[]> cuts_;
    RowGradient<T> batch_;
    TouchedColumns<T, I> touched_;
    std::vector<T> z_, d_, omega_of_batch_;
    std::vector<int32_t> labels_of_batch_;
};
