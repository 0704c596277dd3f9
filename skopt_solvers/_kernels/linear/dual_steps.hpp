// The steps of dual coordinate ascent say what a loss gives to the dual, and where its K coordinates are best.
//
// The dual of sum_i c_i loss(x_i W) + |W|^2 / 2 is sum_i gain(a_i) - |W|^2 / 2 with W = sum_i x_i a_i^T and
// gain(a) = -c loss*(-a / c). At the optimum a_i = -c_i times the gradient of the loss. `positive` is the output of the
// row's class, or one that does not exist.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/exp.hpp"

template <class T>
struct DualStep {
    bool separable = true;  // whether outputs can be taken apart: one-versus-rest
    bool flat = false;      // whether the loss curves less and less far from 0
    virtual ~DualStep() = default;
    // Sets a to the a' that maximises gain(a') - z.(a' - a) - q/2 |a' - a|^2, z being the row's margins and q its
    // |x|^2.
    virtual void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const = 0;
    // Does the same for several models of K outputs each, with a q and c of their own.
    virtual void ascend_each(const T* z, int positive, size_t n_models, size_t K, const T* q, const T* c, T* a) const {
        for (size_t m = 0; m < n_models; ++m) ascend(z + m * K, positive, K, q[m], c[m], a + m * K);
    }
    virtual double gain(const T* a, int positive, size_t K, T c) const = 0;
    static T sign(size_t k, int positive) { return static_cast<int>(k) == positive ? T(1) : T(-1); }
};

// The step is a = s c p with p = 1 / (1 + e^t), t being the margin s z' after it: t = s z - q (s a) + q c p(t).
// Newton's method begins at the margin before, or from 0 where that or an iterate is on the other side of 0 than the
// root. Between 0 and the root the sigmoid has no turning point and every iterate is nearer (Yu, Huang & Lin 2011,
// section 3, for the same problem in a), by about 1 an iteration until t is log(q c). The last move is made along the
// tangent, without another exponential.
template <class T>
struct LogisticStep final : DualStep<T> {
    LogisticStep() { this->flat = true; }
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        const T r = q * c;
        if (K == 1) return ascend_one(z[0], this->sign(0, positive), q, c, a[0]);
        if (r > kSmall) return ascend_far<32 / sizeof(T)>(z, positive, K, q, c, a);
        for (size_t k = 0; k < K; ++k) {
            T s = this->sign(k, positive), m = s * z[k], base = m - q * s * a[k];
            T side = base + r / 2 > 0 ? T(1) : T(-1), t = m * side > 0 ? m : T(0);
            for (int i = 0; i + 1 < kIterations; ++i) t = nearer(t, base, side, r);
            a[k] = s * c * along_tangent(t, base, r);
        }
    }
    void ascend_each(const T* z, int positive, size_t n_models, size_t K, const T* q, const T* c, T* a) const override {
        constexpr size_t width = 32 / sizeof(T);
        if (K > 1) return DualStep<T>::ascend_each(z, positive, n_models, K, q, c, a);
        for (size_t m = 0; m < n_models; m += width) {
            if (m + width <= n_models)
                ascend_side_by_side<width>(z + m, this->sign(0, positive), q + m, c + m, a + m);
            else
                for (size_t k = m; k < n_models; ++k) ascend_one(z[k], this->sign(0, positive), q[k], c[k], a[k]);
        }
    }
    double gain(const T* a, int positive, size_t K, T c) const override {
        double total = 0;
        for (size_t k = 0; k < K; ++k) {
            double p = std::min(1.0, std::max(0.0, this->sign(k, positive) * a[k] / static_cast<double>(c)));
            if (p > 0 && p < 1) total -= p * std::log(p) + (1 - p) * std::log1p(-p);
        }
        return c * total;
    }

private:
    static constexpr T kSmall = sizeof(T) == 4 ? 1.5 : 8;
    static constexpr int kIterations = sizeof(T) == 4 ? 3 : 5;  // where q c <= kSmall
    static constexpr T kEnough = sizeof(T) == 4 ? 2e-4 : 1e-7;  // a change whose square is rounding

    static constexpr T kTangent = sizeof(T) == 4 ? 0.03 : 1e-3;  // a move whose cube is rounding

    // Returns p at the next iterate, to second order in the move: p' = -p (1 - p), p'' = p (1 - p) (1 - 2 p).
    static T along_tangent(T t, T base, T r) {
        T p = 1 / (1 + fast_exp(t));
        return moved(p, (base + r * p - t) / (1 + r * p * (1 - p)));
    }
    static T moved(T p, T move) {
        return std::min(std::max(p - p * (1 - p) * move * (1 - (T(0.5) - p) * move), T(0)), T(1));
    }

    // Makes as many iterations as it takes.
    static void ascend_one(T z, T s, T q, T c, T& a) {
        const T r = q * c, m = s * z, base = m - q * s * a, side = base + r / 2 > 0 ? T(1) : T(-1);
        T t = m * side > 0 ? m : T(0), p = 0, move = 0;
        for (int i = 0; i < 100; ++i) {
            // with e = e^-|t| numerator and denominator of (base + r p - t) / (1 + r p (1 - p)) are taken times
            // (1 + e)^2, so that no quotient waits for another
            T e = fast_exp(-std::abs(t)), top = t > 0 ? e : T(1), whole = 1 + e;
            move = ((base - t) * whole * whole + r * top * whole) / (whole * whole + r * e);
            p = top / whole;
            if (std::abs(move) < kTangent) break;
            t = (t + move) * side > 0 ? t + move : T(0);
        }
        a = s * c * moved(p, move);
    }

    // Does the same for `width` models. One that is there stays until all are.
    template <size_t width>
    static void ascend_side_by_side(const T* z, T s, const T* q, const T* c, T* a) {
        T r[width], base[width], side[width], t[width], p[width], move[width];
        for (size_t j = 0; j < width; ++j) {
            T m = s * z[j];
            r[j] = q[j] * c[j];
            base[j] = m - q[j] * s * a[j];
            side[j] = base[j] + r[j] / 2 > 0 ? T(1) : T(-1);
            t[j] = m * side[j] > 0 ? m : T(0);
        }
        for (int i = 0; i < 100; ++i) {
            int far = 0;
            for (size_t j = 0; j < width; ++j) {
                T e = fast_exp(-std::abs(t[j])), top = t[j] > 0 ? e : T(1), whole = 1 + e;
                move[j] = ((base[j] - t[j]) * whole * whole + r[j] * top * whole) / (whole * whole + r[j] * e);
                p[j] = top / whole;
                far |= std::abs(move[j]) >= kTangent;
            }
            if (!far) break;
            for (size_t j = 0; j < width; ++j) {
                T next = t[j] + move[j];
                next = next * side[j] > 0 ? next : T(0);
                t[j] = std::abs(move[j]) >= kTangent ? next : t[j];
            }
        }
        for (size_t j = 0; j < width; ++j) a[j] = s * c[j] * moved(p[j], move[j]);
    }

    static T nearer(T t, T base, T side, T r) {
        T p = 1 / (1 + fast_exp(t));
        t -= (t - base - r * p) / (1 + r * p * (1 - p));
        return t * side > 0 ? t : T(0);
    }

    // Does the same for `width` outputs at a time.
    template <size_t width>
    static void ascend_far(const T* z, int positive, size_t K, T q, T c, T* a) {
        const T r = q * c;
        T s[width], base[width], side[width], t[width];
        for (size_t first = 0; first < K; first += width) {
            for (size_t j = 0; j < width; ++j) {
                size_t k = std::min(first + j, K - 1);
                s[j] = DualStep<T>::sign(k, positive);
                T m = s[j] * z[k];
                base[j] = m - q * s[j] * a[k];
                side[j] = base[j] + r / 2 > 0 ? T(1) : T(-1);
                t[j] = m * side[j] > 0 ? m : T(0);
            }
            T change = 1;
            for (int i = 0; i < 100 && change > kEnough; ++i) {
                change = 0;
                for (size_t j = 0; j < width; ++j) {
                    T before = t[j];
                    t[j] = nearer(t[j], base[j], side[j], r);
                    change = std::max(change, std::abs(t[j] - before));
                }
            }
            for (size_t j = 0; j < std::min(width, K - first); ++j) a[first + j] = s[j] * c / (1 + fast_exp(t[j]));
        }
    }
};

// The step for losses of 1 - s z that are quadratic and then straight, such as the hinges (Hsieh et al. 2008, eq. 9;
// Shalev-Shwartz & Zhang 2013, section 6.2). Its gain is s a - slack/2 a^2 / c for s a in [0, most c]. The slope of the
// quadratic part is (1 - s z) / slack, and most is where it ends.
template <class T>
struct HingeStep final : DualStep<T> {
    HingeStep(double slack, double most) : slack_(slack), most_(most) {}
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        const T slack = slack_of(c), most = most_of(c);
        for (size_t k = 0; k < K; ++k) ascend_one(z[k], this->sign(k, positive), q, slack, most, a[k]);
    }
    void ascend_each(const T* z, int positive, size_t n_models, size_t K, const T* q, const T* c, T* a) const override {
        if (K > 1) return DualStep<T>::ascend_each(z, positive, n_models, K, q, c, a);
        for (size_t m = 0; m < n_models; ++m)
            ascend_one(z[m], this->sign(0, positive), q[m], slack_of(c[m]), most_of(c[m]), a[m]);
    }
    double gain(const T* a, int positive, size_t K, T c) const override {
        double total = 0, slack = slack_of(c);
        for (size_t k = 0; k < K; ++k) {
            double b = this->sign(k, positive) * a[k];
            total += b - slack / 2 * b * b;
        }
        return total;
    }

private:
    static void ascend_one(T z, T s, T q, T slack, T most, T& a) {
        T b = s * a, slope = 1 - s * z - slack * b;
        // a row without a non-zero has no curvature
        b = slope > 0 && !(q + slack > 0) ? most : b + (slope == 0 ? T(0) : slope / (q + slack));
        a = s * std::min(std::max(b, T(0)), most);
    }

    T slack_of(T c) const { return static_cast<T>(slack_ / c); }
    T most_of(T c) const { return static_cast<T>(std::min<double>(most_ * c, std::numeric_limits<T>::max())); }

    double slack_, most_;
};

// The step is a = c (y - p) with p = softmax(z'), z' = z + q (a' - a). The logits u = z' minimise |u|^2 / 2 + r log sum
// e^u - v.u with r = q c and v = z - q a + r y. Newton's method finds them, whose matrix I + r (diag p - p p^T) is
// inverted by the formula of Sherman and Morrison. Its third derivatives are bounded by the second, so that a step of
// range b times log(1 + b) / b descends, and a full one where b <= 1 (Bach 2010, proposition 1).
template <class T>
struct SoftmaxStep final : DualStep<T> {
    SoftmaxStep() { this->separable = false; }
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        thread_local std::vector<T> buffer;
        if (buffer.size() < 4 * K) buffer.resize(4 * K);
        T *u = buffer.data(), *p = u + K, *e = p + K, *v = e + K;
        const T r = q * c;
        for (size_t k = 0; k < K; ++k) v[k] = z[k] - q * a[k];
        v[positive] += r;
        std::copy(z, z + K, u);
        softmax(u, K, p);
        const T enough = std::max(T(1e-3), 4 * r * std::numeric_limits<T>::epsilon());
        for (int i = 0; i < kIterations; ++i) {
            T along = 0, rest = 0;
            for (size_t k = 0; k < K; ++k) {
                T d = 1 / (1 + r * p[k]);
                e[k] = d * (v[k] - r * p[k] - u[k]);
                along += e[k] * p[k];
                rest += d * p[k];
            }
            T f = r * along / rest, low = std::numeric_limits<T>::max(), high = -low;
            for (size_t k = 0; k < K; ++k) {
                e[k] += f * p[k] / (1 + r * p[k]);
                low = std::min(low, e[k]);
                high = std::max(high, e[k]);
            }
            T range = high - low, t = range > 1 ? std::log1p(range) / range : T(1);
            if (i == 0 && range > kFar) {
                level(v, K, r, u);
            } else {
                for (size_t k = 0; k < K; ++k) u[k] += t * e[k];
            }
            softmax(u, K, p);
            if (std::max(-low, high) < enough) break;
        }
        for (size_t k = 0; k < K; ++k) a[k] = -c * p[k];
        a[positive] += c;
    }
    double gain(const T* a, int positive, size_t K, T c) const override {
        double total = 0;
        for (size_t k = 0; k < K; ++k) {
            double p = (static_cast<int>(k) == positive) - a[k] / static_cast<double>(c);
            if (p > 0) total -= p * std::log(p);
        }
        return c * total;
    }

private:
    static constexpr int kIterations = 50;
    static constexpr T kFar = 10;

    // Computes the u that minimises |u|^2 / 2 + r max u - v.u, which is some log(r K) from the one that is looked for.
    // It is v, cut off at the level t above which it has r.
    static void level(const T* v, size_t K, T r, T* u) {
        T t = *std::max_element(v, v + K) - r, before = t;
        do {
            T sum = 0, n = 0;
            before = t;
            for (size_t k = 0; k < K; ++k) {
                sum += v[k] > t ? v[k] - t : T(0);
                n += v[k] > t ? T(1) : T(0);
            }
            if (n > 0) t += (sum - r) / n;
        } while (t > before);
        for (size_t k = 0; k < K; ++k) u[k] = std::min(v[k], t);
    }
};

// Returns the step of a loss, and throws for a loss that has none.
template <class T>
std::unique_ptr<DualStep<T>> make_dual_step(const std::string& loss, double gamma, bool squared) {
    constexpr double kInfinite = std::numeric_limits<double>::infinity();
    if (loss == "logistic") return std::make_unique<LogisticStep<T>>();
    if (loss == "softmax") return std::make_unique<SoftmaxStep<T>>();
    if (loss == "hinge" && !(squared && gamma > 0))
        return std::make_unique<HingeStep<T>>(squared ? 0.5 : gamma, squared ? kInfinite : 1);
    if (loss == "modified_huber") return std::make_unique<HingeStep<T>>(0.5, 4);
    throw std::invalid_argument("the loss '" + loss + "' has no step of dual coordinate ascent");
}
