// The directions of Newton's method for a linear model are d with H d = -g, where H is the Hessian of loss and ridge.
//
// Second derivatives of the loss are central differences of its gradient at the margins, so that a loss is one struct
// here too.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "base/vectors.hpp"
#include "linear/linear_objective.hpp"

template <class T, class I>
class Newton {
public:
    // The directions are at the point whose margins are Z.
    Newton(LinearObjective<T, I>& objective, const T* Z)
        : o_(objective), Z_(Z), K_(objective.n_outputs), p_(objective.n_rows) {}

    // Computes the direction from the Hessian itself, for few parameters. This takes p^2 multiply-adds a sample and
    // output, or pair of outputs where the loss compares them, and Cholesky's decomposition of one matrix an output, or
    // of one of all. Returns false where it overflows.
    bool direct(const T* g, T* d) const {
        if (p_ == 0) return true;
        const auto H = hessian();
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
                for (size_t i = 0; i < p_; ++i) b[k * p_ + i] = -g[i * K_ + first + k];
            }
            if (o_.joint() && p_ > o_.n_penalised()) hold_mean(M.data(), size);
            solve(M.data(), b.data(), size);
            for (size_t k = 0; k < size / p_; ++k)
                for (size_t i = 0; i < p_; ++i) d[i * K_ + first + k] = static_cast<T>(b[k * p_ + i]);
        }
        return true;
    }

    // Computes the direction by conjugate gradients (Nocedal & Wright 2006, algorithm 7.1), until |H d + g|^2 <= target
    // |g|^2.
    void iterative(const T* g, double target, T* d) {
        const size_t size = p_ * K_;
        std::vector<T> r(size), p(size), Hp(size), V(o_.n_margins()), ahead(V.size()), behind(V.size()), curvatures;
        if (!o_.joint()) {  // a margin's derivative depends on that margin alone
            curvatures.assign(V.size(), T(1));
            slope(curvatures.data(), ahead, behind);
            curvatures = ahead;
        }
        std::fill(d, d + size, T(0));
        for (size_t i = 0; i < size; ++i) p[i] = r[i] = -g[i];
        double rr = dot(r.data(), r.data(), size), sharpest = 0;
        target *= rr;
        Interruption interruption;
        for (size_t step = 0; step < 2 * size && !interruption.stops(0); ++step) {
            o_.margins(p.data(), V.data());
            if (o_.joint())
                slope(V.data(), ahead, behind);
            else
                for (size_t m = 0; m < V.size(); ++m) ahead[m] = curvatures[m] * V[m];
            o_.backward(ahead.data(), Hp.data());
            for (size_t i = 0; i < o_.n_penalised() * K_; ++i) Hp[i] += static_cast<T>(o_.penalty.l2) * p[i];
            const double curvature = dot(p.data(), Hp.data(), size), length = dot(p.data(), p.data(), size);
            sharpest = std::max(sharpest, curvature / length);
            // along the intercepts of flat losses there is none, and what is computed is rounding
            if (!(curvature > 1e-15 * sharpest * length)) break;
            const T alpha = static_cast<T>(rr / curvature);
            for (size_t i = 0; i < size; ++i) d[i] += alpha * p[i], r[i] -= alpha * Hp[i];
            const double before = rr;
            rr = dot(r.data(), r.data(), size);
            if (rr <= target) break;
            for (size_t i = 0; i < size; ++i) p[i] = r[i] + static_cast<T>(rr / before) * p[i];
        }
        interruption.rethrow();
    }

private:
    static constexpr size_t kRows = 64;  // samples whose features are formed as dense rows at a time

    static constexpr size_t kTileRows = 4;
    static_assert(kTileRows % kLanes<double> == 0);

    size_t width() const { return (p_ + kTileRows - 1) / kTileRows * kTileRows; }

    // Returns the lower triangle of the loss's part of the Hessian, a width x width matrix for each output, or for each
    // pair (k, l <= k) of outputs. Rows are summed in parts that do not depend on the number of threads, and take 16 MB
    // at most.
    Aligned<double> hessian() const {
        const size_t n_pairs = o_.joint() ? K_ * (K_ + 1) / 2 : K_, size = n_pairs * width() * width(),
                     n_rows = o_.X().n_rows;
        const size_t n_parts = std::clamp<size_t>(n_rows / 4096, 1, std::clamp<size_t>((1 << 21) / size, 1, 64));
        Aligned<double> H(n_parts * size);
        const int n = threads_for(o_.n_threads(), static_cast<double>(n_rows) * size);
        Interruption interruption;
        parallel(n, [&](int t) {
            for (size_t q = part(n_parts, 1, t, n); q < part(n_parts, 1, t + 1, n); ++q)
                add_rows(n_rows * q / n_parts, n_rows * (q + 1) / n_parts, t, interruption, H.data() + q * size);
        });
        interruption.rethrow();
        for (size_t q = 1; q < n_parts; ++q)
            for (size_t e = 0; e < size; ++e) H[e] += H[q * size + e];
        H.resize(size);
        return H;
    }

    void add_rows(size_t begin, size_t end, int t, Interruption& interruption, double* H) const {
        const size_t L = o_.joint() ? K_ : 1;
        Aligned<double> x(kRows * width()), left(kRows * width());
        std::vector<T> S(kRows * K_ * L), shifted(kRows * K_), behind(kRows * K_);
        std::vector<size_t> kept;
        const auto& X = o_.X();
        for (; begin < end && !interruption.stops(t); begin += kRows) {
            const size_t n = std::min(kRows, end - begin);
            for (size_t l = 0; l < L; ++l)
                second_derivatives(begin, n, l, shifted.data(), behind.data(), &S[l * n * K_]);
            kept.clear();
            for (size_t i = 0; i < n; ++i) {
                if (!curved(S.data(), i, n, L)) continue;
                double* row = &x[kept.size() * width()];
                std::fill(row, row + width(), 0.0);
                for (size_t e = X.indptr[begin + i]; e < static_cast<size_t>(X.indptr[begin + i + 1]); ++e)
                    row[X.indices[e]] = X.data[e];
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

    // Computes S[i K + k], the derivative of the loss's gradient in margin k of row `begin` + i in its margin l, or in
    // margin k itself where margins are independent.
    void second_derivatives(size_t begin, size_t n, size_t l, T* shifted, T* behind, T* S) const {
        const T h = static_cast<T>(std::cbrt(std::numeric_limits<T>::epsilon()));
        for (T side : {-h, h}) {
            for (size_t m = 0; m < n * K_; ++m)
                shifted[m] = Z_[begin * K_ + m] + (!o_.joint() || m % K_ == l ? side : T(0));
            o_.loss_of_rows(shifted, begin, n, side < 0 ? behind : S);
        }
        for (size_t m = 0; m < n * K_; ++m) {
            S[m] = (S[m] - behind[m]) / (2 * h);
            if (!o_.joint()) S[m] = std::max(S[m], T(0));  // what is below is rounding
        }
    }

    // Sets `ahead` to the derivative of the loss's gradient at the margins along V.
    void slope(const T* V, std::vector<T>& ahead, std::vector<T>& behind) const {
        double largest = 1e-300;
        for (size_t m = 0; m < ahead.size(); ++m) largest = std::max<double>(largest, std::abs(V[m]));
        const double h = 1e-6 / largest;
        o_.loss_along(Z_, V, h, ahead.data());
        o_.loss_along(Z_, V, -h, behind.data());
        for (size_t m = 0; m < ahead.size(); ++m) ahead[m] = static_cast<T>((ahead[m] - behind[m]) / (2 * h));
    }

    // Adds curvature along equal intercepts, where a loss that compares outputs is flat. The gradient is 0 there too,
    // so any curvature serves.
    void hold_mean(double* M, size_t size) const {
        const double curvature = M[(p_ - 1) * (size + 1)];
        for (size_t k = p_ - 1; k < size; k += p_)
            for (size_t l = p_ - 1; l <= k; l += p_) M[k * size + l] += curvature;
    }

    // Computes b <- M^-1 b by Cholesky's decomposition of the lower triangle, in place. A pivot of which no more
    // than rounding is left, as an intercept's where all margins are on straight pieces of the loss, is what it was,
    // or 1, so that M is positive definite (Nocedal & Wright 2006, section 3.4). Otherwise the gradient along that
    // parameter would be dropped, and the iterations would end where no other is left.
    static void solve(double* M, double* b, size_t size) {
        for (size_t i = 0; i < size; ++i) {
            double* row = M + i * size;
            for (size_t j = 0; j < i; ++j) row[j] = (row[j] - dot(row, M + j * size, j)) / M[j * (size + 1)];
            const double rest = row[i] - dot(row, row, i);
            row[i] = std::sqrt(rest > 1e-13 * row[i] ? rest : row[i] > 0 ? row[i] : 1.0);
            b[i] = (b[i] - dot(row, b, i)) / row[i];
        }
        for (size_t i = size; i-- > 0;) {
            const double* row = M + i * size;
            b[i] /= row[i];
            for (size_t j = 0; j < i; ++j) b[j] -= row[j] * b[i];
        }
    }

    LinearObjective<T, I>& o_;
    const T* Z_;
    const size_t K_, p_;
};
