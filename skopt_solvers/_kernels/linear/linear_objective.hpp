// The objective of linear models over rows of a matrix: margins Z = X W, their loss, and the gradient X^T dZ.
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

#include "base/csr.hpp"
#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "base/parallel.hpp"
#include "linear/column_split.hpp"
#include "linear/dense_columns.hpp"
#include "linear/losses.hpp"
#include "linear/sparse_columns.hpp"

template <class T, class Rows>
class LinearObjective : public Objective<T> {
public:
    // `active` lists the rows of weight > 0, in order: the samples of the problem.
    LinearObjective(Rows X, const int32_t* labels, const T* omega, const int64_t* active, size_t n_active, size_t K,
                    bool intercept, std::unique_ptr<Loss<T>> loss, Penalty<T> penalty, int n_threads,
                    size_t n_models = 1)
        : X_(X), labels_(labels), omega_(omega), active_(active), n_active_(n_active), loss_(std::move(loss)),
          intercept_(intercept), n_threads_(n_threads) {
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
    const Rows& X() const { return X_; }
    size_t n_active() const { return n_active_; }
    const int64_t* active() const { return active_; }
    const T* omega() const { return omega_; }
    size_t n_penalised() const { return X_.n_cols; }
    int n_threads() const { return n_threads_; }
    int threads() const { return threads_for(n_threads_, static_cast<double>(X_.n_entries()) * this->n_outputs); }

    // Computes Z = X W for all rows of X.
    void margins(const T* W, T* Z) const {
        size_t K = this->n_outputs;
        int n = threads();
        Interruption interruption;
        parallel(n, [&](int t) {
            each_row(X_.row_part(t, n), X_.row_part(t + 1, n), t, interruption,
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
        std::vector<double> sum(K);
        column_sums(D, X_.n_rows, K, sum.data());
        for (size_t k = 0; k < K; ++k) G[X_.n_cols * K + k] = static_cast<T>(sum[k]);
    }

    // Returns the penalty at W, and adds the gradient of its smooth part to G where one is given.
    double penalise(const T* W, T* G) const { return ::penalise(this->penalty, W, G, X_.n_cols * this->n_outputs); }

    // Computes sum_i omega_i x_ij^2 for every row j of the table.
    void squared_norms(T* square) const {
        std::fill(square, square + this->n_rows, T(0));
        for (size_t a = 0; a < n_active_; ++a) {
            const T omega = omega_[active_[a]];
            X_.each(active_[a], [&](size_t j, T x) { square[j] += omega * x * x; });
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
        touched_.touch(X_, batch, n, W, K);
        auto& out = batch_;
        z_.resize(n * K);
        d_.resize(n * K);
        labels_of_batch_.resize(n);
        omega_of_batch_.resize(n);
        T scale = static_cast<T>(static_cast<double>(n_active_) / n);
        for (size_t b = 0; b < n; ++b) {
            labels_of_batch_[b] = labels_[batch[b]];
            omega_of_batch_[b] = omega_[batch[b]] * scale;
            touched_.call_ahead(X_, batch, b, n);
            margins_of(batch[b], W, z_.data() + b * K);
        }
        out.loss = loss_->rows(z_.data(), labels_of_batch_.data(), omega_of_batch_.data(), n, K, d_.data());
        if (many_) out.losses = many_->last;
        touched_.gradient(X_, batch, n, d_.data(), K, scale, out);
        if (intercept_) {
            out.rows[out.size] = X_.n_cols;
            out.share[out.size] = 0;
            T* values = out.values.data() + out.size * K;
            std::fill_n(values, K, T(0));
            for (size_t b = 0; b < n; ++b)
                for (size_t k = 0; k < K; ++k) values[k] += d_[b * K + k];
            ++out.size;
        }
        return out;
    }

private:
    void margins_of(size_t i, const T* W, T* z) const {
        const size_t K = this->n_outputs;
        const T* b = W + X_.n_cols * K;
        for (size_t k = 0; k < K; ++k) z[k] = intercept_ ? b[k] : T(0);
        X_.gather(i, W, K, K, z);
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
            if (omega_[i] != 0) X_.scatter(i, D + i * this->n_outputs, this->n_outputs, this->n_outputs, G);
        });
    }

    // With one output the table is small. Each thread has a buffer, and they are added in the order of the threads.
    void backward_by_rows(int n, const T* D, T* G) {
        size_t size = X_.n_cols;
        buffers_.resize((n - 1) * size);
        Interruption interruption;
        parallel(n, [&](int t) {
            T* g = t ? buffers_.data() + (t - 1) * size : G;
            std::fill(g, g + size, T(0));
            scatter_rows_of(X_.row_part(t, n), X_.row_part(t + 1, n), t, D, g, interruption);
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
        split_.split(X_, n);
        Interruption interruption;
        parallel(n, [&](int t) {
            std::fill(G + split_.bounds[t] * K, G + split_.bounds[t + 1] * K, T(0));
            each_row(0, X_.n_rows, t, interruption, [&](size_t i) {
                if (omega_[i] != 0) split_.scatter(X_, i, t, D + i * K, K, G);
            });
        });
        interruption.rethrow();
    }

    Rows X_;
    const int32_t* labels_;
    const T* omega_;
    const int64_t* active_;
    size_t n_active_;
    std::unique_ptr<Loss<T>> loss_;
    const LossOfMany<T>* many_ = nullptr;  // the same, where there are several models
    bool intercept_;
    int n_threads_;
    std::vector<T> buffers_;
    decltype(column_split_of(std::declval<Rows>())) split_;
    RowGradient<T> batch_;
    decltype(batch_columns_of(std::declval<Rows>())) touched_;
    std::vector<T> z_, d_, omega_of_batch_;
    std::vector<int32_t> labels_of_batch_;
};
