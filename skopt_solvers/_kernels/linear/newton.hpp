// The directions of Newton's method for a linear model are d with H d = -g, where H is the Hessian of loss and ridge.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "base/cholesky.hpp"
#include "base/vectors.hpp"
#include "linear/linear_objective.hpp"
#include "linear/second_derivatives.hpp"

template <class T, class Rows>
class Newton {
public:
    // The directions are at the point whose margins are Z.
    Newton(const LinearObjective<T, Rows>& objective, const T* Z)
        : o_(objective), Z_(Z), K_(objective.n_outputs), p_(objective.n_rows) {}

    // Computes the direction from the Hessian itself, for few parameters. This takes p^2 multiply-adds a sample and
    // output, or pair of outputs where the loss compares them, those of the non-zeros alone where they are few, and
    // Cholesky's decomposition of one matrix an output, or of one of all. Returns false where it overflows.
    bool direct(const T* g, T* d) {
        if (p_ == 0) return true;
        const bool sparse = sparse_pays();
        if (p_ > o_.n_penalised() && !sparse) center_columns();
        const auto H = hessian(sparse);
        if (!std::isfinite(std::accumulate(H.begin(), H.end(), 0.0))) return false;
        const size_t size = o_.joint() ? K_ * p_ : p_, block = width() * width();
        std::vector<double> M(size * size), b(size);
        for (size_t first = 0; first < K_; first += size / p_) {
            for (size_t k = 0; k < size / p_; ++k) {
                for (size_t l = 0; l <= k; ++l) {
                    const double* from = H.data() + (o_.joint() ? k * (k + 1) / 2 + l : first) * block;
                    for (size_t i = 0; i < p_; ++i)
                        for (size_t j = 0; j < p_; ++j)
                            M[(k * p_ + i) * size + l * p_ + j] = from[std::max(i, j) * width() + std::min(i, j)];
                }
                for (size_t i = 0; i < o_.n_penalised(); ++i) M[(k * p_ + i) * (size + 1)] += o_.penalty.l2;
                const double of_intercept = centers_.empty() ? 0 : g[(p_ - 1) * K_ + first + k];
                for (size_t i = 0; i < p_; ++i)
                    b[k * p_ + i] = (i < centers_.size() ? centers_[i] * of_intercept : 0) - g[i * K_ + first + k];
            }
            if (o_.joint() && p_ > o_.n_penalised()) hold_mean(M.data(), size);
            cholesky(M.data(), size);
            solve_lower(M.data(), size, b.data());
            solve_upper(M.data(), size, b.data());
            if (!centers_.empty()) move_intercepts(b.data(), size / p_);
            for (size_t k = 0; k < size / p_; ++k)
                for (size_t i = 0; i < p_; ++i) d[i * K_ + first + k] = static_cast<T>(b[k * p_ + i]);
        }
        return true;
    }

private:
    static constexpr size_t kRows = 64;  // samples whose features are formed as dense rows at a time

    static constexpr size_t kTileRows = 4;
    static_assert(kTileRows % kLanes<double> == 0);

    size_t width() const { return (p_ + kTileRows - 1) / kTileRows * kTileRows; }

    // Returns the lower triangle of the loss's part of the Hessian, a width x width matrix for each output, or for each
    // pair (k, l <= k) of outputs. Rows are summed in parts that do not depend on the number of threads, and take 16 MB
    // at most.
    Aligned<double> hessian(bool sparse) const {
        const size_t n_pairs = o_.joint() ? K_ * (K_ + 1) / 2 : K_, size = n_pairs * width() * width(),
                     n_rows = o_.X().n_rows;
        const size_t n_parts =
            std::clamp<size_t>(n_rows / (sparse ? 16384 : 4096), 1, std::clamp<size_t>((1 << 21) / size, 1, 64));
        Aligned<double> H(n_parts * size);
        const int n = threads_for(o_.n_threads(), static_cast<double>(n_rows) * size / (sparse ? 8 : 1));
        Interruption interruption;
        parallel(n, [&](int t) {
            for (size_t q = part(n_parts, 1, t, n); q < part(n_parts, 1, t + 1, n); ++q) {
                const size_t begin = n_rows * q / n_parts, end = n_rows * (q + 1) / n_parts;
                if (sparse)
                    add_entries(begin, end, t, interruption, H.data() + q * size);
                else
                    add_rows(begin, end, t, interruption, H.data() + q * size);
            }
        });
        interruption.rethrow();
        for (size_t q = 1; q < n_parts; ++q)
            for (size_t e = 0; e < size; ++e) H[e] += H[q * size + e];
        H.resize(size);
        return H;
    }

    // Takes the means of the columns as what rows are taken from: with the intercept b + centers w in the place of b
    // the problem is the same, and columns far from 0 do not hide in the Hessian what distinguishes their rows.
    void center_columns() {
        centers_.assign(o_.n_penalised(), 0.0);
        double total = 0;
        for (size_t a = 0; a < o_.n_active(); ++a) {
            const double omega = o_.omega()[o_.active()[a]];
            total += omega;
            o_.X().each(o_.active()[a], [&](size_t j, T x) { centers_[j] += omega * x; });
        }
        for (double& center : centers_) center = total > 0 ? center / total : 0;
    }

    // Makes the steps of n intercepts those of b from those of b + centers w. Where the loss compares outputs their
    // mean changes nothing, and is 0.
    void move_intercepts(double* steps, size_t n) const {
        double mean = 0;
        for (size_t k = 0; k < n; ++k) {
            double* step = steps + k * p_;
            step[p_ - 1] -= dot(centers_.data(), step, centers_.size());
            mean += step[p_ - 1] / static_cast<double>(n);
        }
        for (size_t k = 0; k < n && o_.joint(); ++k) steps[k * p_ + p_ - 1] -= mean;
    }

    // Tells whether products of the non-zeros of rows are so few that they are sooner added one by one.
    bool sparse_pays() const {
        const auto& X = o_.X();
        double products = 0;
        for (size_t i = 0; i < X.n_rows; ++i) products += static_cast<double>(X.size(i)) * X.size(i);
        return 8 * products < static_cast<double>(X.n_rows) * p_ * p_;
    }

    // Adds the products of the entries of each row.
    void add_entries(size_t begin, size_t end, int t, Interruption& interruption, double* H) const {
        const size_t L = o_.joint() ? K_ : 1, w = width();
        std::vector<T> S(kRows * K_ * L);
        SecondDerivatives<T, Rows> derivatives(o_, Z_);
        std::vector<std::pair<size_t, double>> row;
        std::vector<uint32_t> column(p_);
        std::vector<double> x(p_);
        for (; begin < end && !interruption.stops(t); begin += kRows) {
            const size_t n = std::min(kRows, end - begin);
            for (size_t l = 0; l < L; ++l) derivatives.of_rows(begin, n, l, &S[l * n * K_]);
            for (size_t i = 0; i < n; ++i) {
                if (!curved(S.data(), i, n, L)) continue;
                row.clear();
                o_.X().each(begin + i, [&](size_t j, T x) { row.emplace_back(j, x); });
                if (p_ > o_.n_penalised()) row.emplace_back(p_ - 1, 1.0);
                if (!std::is_sorted(row.begin(), row.end())) std::sort(row.begin(), row.end());
                for (size_t a = 0; a < row.size(); ++a)
                    column[a] = static_cast<uint32_t>(row[a].first), x[a] = row[a].second;
                double* pair = H;
                for (size_t k = 0; k < K_; ++k)
                    for (size_t l = 0; l <= (o_.joint() ? k : 0); ++l, pair += w * w) {
                        const double s = S[(l * n + i) * K_ + k];
                        if (s == 0) continue;
                        for (size_t a = 0; a < row.size(); ++a) {
                            double* __restrict h = pair + column[a] * w;
                            const double sx = s * x[a];
                            for (size_t b = 0; b <= a; ++b) h[column[b]] += sx * x[b];
                        }
                    }
            }
        }
    }

    void add_rows(size_t begin, size_t end, int t, Interruption& interruption, double* H) const {
        const size_t L = o_.joint() ? K_ : 1;
        Aligned<double> x(kRows * width()), left(kRows * width());
        std::vector<T> S(kRows * K_ * L);
        SecondDerivatives<T, Rows> derivatives(o_, Z_);
        std::vector<size_t> kept;
        const auto& X = o_.X();
        for (; begin < end && !interruption.stops(t); begin += kRows) {
            const size_t n = std::min(kRows, end - begin);
            for (size_t l = 0; l < L; ++l) derivatives.of_rows(begin, n, l, &S[l * n * K_]);
            kept.clear();
            for (size_t i = 0; i < n; ++i) {
                if (!curved(S.data(), i, n, L)) continue;
                double* row = &x[kept.size() * width()];
                std::fill(row, row + width(), 0.0);
                for (size_t j = 0; j < centers_.size(); ++j) row[j] = -centers_[j];
                X.each(begin + i, [&](size_t j, T value) { row[j] += value; });
                if (p_ > o_.n_penalised()) row[p_ - 1] = 1;
                kept.push_back(i);
            }
            double* pair = H;
            for (size_t k = 0; k < K_; ++k)
                for (size_t l = 0; l <= (o_.joint() ? k : 0); ++l, pair += width() * width()) {
                    for (size_t r = 0; r < kept.size(); ++r) {
                        const double s = S[(l * n + kept[r]) * K_ + k];
                        for (size_t j = 0; j < width(); ++j) left[r * width() + j] = s * x[r * width() + j];
                    }
                    add_lower(left.data(), x.data(), kept.size(), pair);
                }
        }
    }

    // Computes A += left^T right over n rows, above the diagonal not everywhere.
    void add_lower(const double* left, const double* right, size_t n, double* A) const {
        constexpr size_t lanes = kLanes<double>;
        for (size_t i = 0; i < width(); i += kTileRows) {
            auto tile = [&]<int N>(size_t v) {
                outer_tile<kTileRows, N>(left + i, right + v * lanes, n, width(), A + i * width() + v * lanes);
            };
            size_t n_vectors = (i + kTileRows) / lanes, v = 0;
            for (; v + 3 <= n_vectors; v += 3) tile.template operator()<3>(v);
            if (n_vectors - v == 2) tile.template operator()<2>(v);
            if (n_vectors - v == 1) tile.template operator()<1>(v);
        }
    }

    bool curved(const T* S, size_t i, size_t n, size_t L) const {
        for (size_t l = 0; l < L; ++l)
            for (size_t k = 0; k < K_; ++k)
                if (S[(l * n + i) * K_ + k] != 0) return true;
        return false;
    }

    // Adds curvature along equal intercepts, where a loss that compares outputs is flat. The gradient is 0 there too,
    // so any curvature serves.
    void hold_mean(double* M, size_t size) const {
        const double curvature = M[(p_ - 1) * (size + 1)];
        for (size_t k = p_ - 1; k < size; k += p_)
            for (size_t l = p_ - 1; l <= k; l += p_) M[k * size + l] += curvature;
    }

    const LinearObjective<T, Rows>& o_;
    const T* Z_;
    const size_t K_, p_;
    std::vector<double> centers_;  // none where the intercept is not there, or rows are sparse
};
