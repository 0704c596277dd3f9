// The directions of Newton's method for a linear model of few samples, by their kernel matrix.
//
// With q = X g, S = L L^T the second derivatives of the loss in the margins and u = S X d, the equation H d = -g says
// l2 d = -(g + X^T u), so that v with u = L v is the solution of (I + L^T X X^T L / l2) v = L^T (b - q / l2), a system
// of the size of the margins (Woodbury's identity; Chapelle 2007, section 4). The step b of an intercept is such that
// the entries of u sum to minus its gradient.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "base/cholesky.hpp"
#include "linear/linear_objective.hpp"
#include "linear/second_derivatives.hpp"

// Computes X X^T of the samples of positive weight, both triangles.
template <class T, class Rows>
void gram(const LinearObjective<T, Rows>& o, double* G) {
    constexpr size_t B = 8;  // rows that are multiplied with each other row at once
    const auto& X = o.X();
    const size_t n = o.n_active();
    std::vector<T> table(X.n_cols * B);
    auto each = [&](size_t a, auto f) { X.each(o.active()[a], [&](size_t j, T x) { f(j * B, x); }); };
    Interruption interruption;
    for (size_t begin = 0; begin < n && !interruption.stops(0); begin += B) {
        const size_t end = std::min(begin + B, n);
        for (size_t a = begin; a < end; ++a) each(a, [&](size_t j, T x) { table[j + a - begin] = x; });
        for (size_t a = begin; a < n; ++a) {
            T z[B] = {};
            X.gather(o.active()[a], table.data(), B, B, z);
            for (size_t b = begin; b < end; ++b) G[a * n + b] = G[b * n + a] = z[b - begin];
        }
        for (size_t a = begin; a < end; ++a) each(a, [&](size_t j, T) { table[j + a - begin] = 0; });
    }
    interruption.rethrow();
}

template <class T, class Rows>
class KernelNewton {
public:
    // G is the kernel matrix.
    KernelNewton(LinearObjective<T, Rows>& objective, const double* G)
        : o_(objective), G_(G), K_(objective.n_outputs) {}

    // Computes the direction at the point whose margins are Z, where the objective is `value` and its gradient g. Where
    // there are `rounds` it leads to the best point that so many whole steps come to, if that is lower: they cost no
    // product with X. Returns false where it overflows.
    bool direction(const T* Z, const T* g, double value, int rounds, T* d) {
        const size_t n_margins = o_.n_margins(), penalised = o_.n_penalised() * K_;
        const bool intercept = o_.n_rows > o_.n_penalised();
        std::vector<T> z(Z, Z + n_margins), q(n_margins), slopes(n_margins), a(n_margins);
        std::vector<double> gb(K_, 0.0), steps(K_), sum(K_, 0.0), best_sum;
        o_.margins(g, q.data());
        if (intercept) std::copy(g + penalised, g + o_.table_size(), gb.begin());
        for (size_t m = 0; m < n_margins; ++m) q[m] -= static_cast<T>(gb[m % K_]);
        o_.loss(Z, slopes.data());
        const std::vector<T> first_slopes = slopes;
        std::vector<T> best;
        for (int round = 0; round < rounds; ++round) {
            // 1. the whole step, to l2 W = -X^T a
            std::vector<T> u(n_margins, T(0));
            std::fill(steps.begin(), steps.end(), 0.0);
            if (!solve(z.data(), q.data(), gb.data(), u.data(), steps.data())) break;
            for (size_t m = 0; m < n_margins; ++m) a[m] = slopes[m] + u[m];
            for (size_t k = 0; k < K_; ++k) sum[k] += steps[k];
            if (round == 0) best = a, best_sum = sum;
            if (rounds == 1) break;
            // 2. the objective there
            const auto Gu = times_kernel(u), Ga = times_kernel(a);
            for (size_t m = 0; m < n_margins; ++m)
                z[m] += static_cast<T>(steps[m % K_] - (q[m] + Gu[m]) / o_.penalty.l2);
            double there = o_.loss(z.data(), slopes.data());
            for (size_t m = 0; m < n_margins; ++m) there += a[m] * Ga[m] / (2 * o_.penalty.l2);
            if (!(there < value_at_zero())) break;
            if (there < value) value = there, best = a, best_sum = sum;
            // 3. its gradient
            std::fill(gb.begin(), gb.end(), 0.0);
            for (size_t m = 0; m < n_margins; ++m) {
                gb[m % K_] += intercept ? slopes[m] : T(0);
                a[m] = slopes[m] - a[m];
            }
            const auto Gr = times_kernel(a);
            std::copy(Gr.begin(), Gr.end(), q.begin());
        }
        for (size_t m = 0; m < n_margins; ++m) best[m] -= first_slopes[m];
        o_.backward(best.data(), d);
        for (size_t m = 0; m < penalised; ++m) d[m] = static_cast<T>(-(g[m] + d[m]) / o_.penalty.l2);
        for (size_t m = penalised; m < o_.table_size(); ++m) d[m] = static_cast<T>(best_sum[m - penalised]);
        return std::isfinite(std::accumulate(d, d + o_.table_size(), 0.0));
    }

private:
    // Finds u, and the steps of the intercepts, at the margins Z. Returns false where the curved pieces are those of
    // the last call, so that this point is the optimum of them.
    bool solve(const T* Z, const T* q, const double* gb, T* u, double* steps) {
        const size_t n_rows = o_.X().n_rows, L = o_.joint() ? K_ : 1;
        SecondDerivatives<T, Rows> derivatives(o_, Z);
        std::vector<T> before = std::move(S_);
        S_.resize(n_rows * K_ * L);
        for (size_t l = 0; l < L; ++l) derivatives.of_rows(0, n_rows, l, &S_[l * n_rows * K_]);
        if (same_pieces(before)) return false;
        // where margins are independent there is a system for each output
        for (size_t first = 0; first < K_; first += L) solve_outputs(first, L, gb + first, q, u, steps + first);
        return true;
    }

    bool same_pieces(const std::vector<T>& before) const {
        if (before.empty()) return false;
        const double largest = *std::max_element(S_.begin(), S_.end());
        for (size_t e = 0; e < S_.size(); ++e)
            if (std::abs(static_cast<double>(S_[e] - before[e])) > 1e-6 * largest) return false;
        return true;
    }

    // Returns X X^T u, of the samples of positive weight.
    std::vector<double> times_kernel(const std::vector<T>& u) const {
        const size_t n = o_.n_active();
        std::vector<double> x(n), y(u.size(), 0.0);
        for (size_t k = 0; k < K_; ++k) {
            for (size_t a = 0; a < n; ++a) x[a] = u[o_.active()[a] * K_ + k];
            for (size_t a = 0; a < n; ++a) y[o_.active()[a] * K_ + k] = dot(G_ + a * n, x.data(), n);
        }
        return y;
    }

    double value_at_zero() {
        if (at_zero_ == 0) {
            std::vector<T> zeros(o_.n_margins(), T(0)), slopes(zeros.size());
            at_zero_ = o_.loss(zeros.data(), slopes.data());
        }
        return at_zero_;
    }

    // Finds u, and the steps of the intercepts, of the outputs `first` to `first` + K.
    void solve_outputs(size_t first, size_t K, const double* gb, const T* q, T* u, double* steps) {
        factor(first, K);
        const size_t n = o_.n_active(), size = samples_.size();
        std::vector<double> M(size * size), v(size);
        for (size_t s = 0; s < size; ++s) {
            const double* row = G_ + samples_[s] * n;
            for (size_t t = 0; t <= s; ++t)
                M[s * size + t] = row[samples_[t]] * inner(s, t, K) / o_.penalty.l2 + (s == t);
            const T* at = q + o_.active()[samples_[s]] * K_ + first;
            for (size_t k = 0; k < K; ++k) v[s] -= columns_[s * K + k] * at[k] / o_.penalty.l2;
        }
        cholesky(M.data(), size);
        solve_lower(M.data(), size, v.data());
        if (o_.n_rows > o_.n_penalised()) take_intercepts(M, K, gb, v, steps);
        solve_upper(M.data(), size, v.data());
        for (size_t s = 0; s < size; ++s)
            for (size_t k = 0; k < K; ++k)
                u[o_.active()[samples_[s]] * K_ + first + k] += static_cast<T>(columns_[s * K + k] * v[s]);
    }

    // Finds the steps of the intercepts, and adds what they add to v.
    void take_intercepts(const std::vector<double>& M, size_t K, const double* gb, std::vector<double>& v,
                         double* steps) {
        const size_t size = v.size();
        std::vector<double> E(K * size), A(K * K), b(K);
        for (size_t k = 0; k < K; ++k) {
            for (size_t s = 0; s < size; ++s) E[k * size + s] = columns_[s * K + k];
            solve_lower(M.data(), size, &E[k * size]);
            for (size_t l = 0; l <= k; ++l) A[k * K + l] = dot(&E[k * size], &E[l * size], size);
            b[k] = -gb[k] - dot(&E[k * size], v.data(), size);
        }
        // equal steps change no loss that compares outputs, and their gradient is 0: any curvature serves
        if (const double curvature = A[0]; K > 1)
            for (size_t k = 0; k < K; ++k)
                for (size_t l = 0; l <= k; ++l) A[k * K + l] += curvature;
        cholesky(A.data(), K);
        solve_lower(A.data(), K, b.data());
        solve_upper(A.data(), K, b.data());
        for (size_t k = 0; k < K; ++k) {
            steps[k] = b[k];
            for (size_t s = 0; s < size; ++s) v[s] += E[k * size + s] * b[k];
        }
    }

    // Finds the columns of L, K numbers each, that are not 0, and the samples that they belong to.
    void factor(size_t first, size_t K) {
        const size_t n_rows = o_.X().n_rows;
        std::vector<double> S(K * K);
        samples_.clear();
        columns_.clear();
        for (size_t a = 0; a < o_.n_active(); ++a) {
            double trace = 0;
            for (size_t l = 0; l < K; ++l) {
                const T* column = &S_[(l * n_rows + o_.active()[a]) * K_ + first];
                for (size_t k = 0; k < K; ++k) S[k * K + l] = column[k];
                trace += column[l];
            }
            // a column of semi-definite S whose pivot is 0 is 0
            for (size_t l = 0; l < K; ++l) {
                const double pivot = S[l * K + l];
                if (!(pivot > (K > 1 ? kRounding * trace : 0.0))) continue;
                samples_.push_back(a);
                for (size_t k = 0; k < K; ++k) columns_.push_back(k < l ? 0 : S[k * K + l] / std::sqrt(pivot));
                const double* c = columns_.data() + columns_.size() - K;
                for (size_t k = l + 1; k < K; ++k)
                    for (size_t m = l + 1; m < K; ++m) S[k * K + m] -= c[k] * c[m];
            }
        }
    }

    double inner(size_t s, size_t t, size_t K) const {
        double sum = 0;
        for (size_t k = 0; k < K; ++k) sum += columns_[s * K + k] * columns_[t * K + k];
        return sum;
    }

    static constexpr double kRounding = 1e-9;  // of differences, over the trace

    LinearObjective<T, Rows>& o_;
    const double* G_;
    const size_t K_;
    double at_zero_ = 0;
    std::vector<T> S_;
    std::vector<size_t> samples_;
    std::vector<double> columns_;
};
