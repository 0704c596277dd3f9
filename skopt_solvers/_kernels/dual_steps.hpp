// The steps of dual coordinate ascent: what a loss gives to the dual, and where its K coordinates are best.
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

#include "exp.hpp"

template <class T>
struct DualStep {
    bool separable = true;  // whether outputs can be taken apart: one-versus-rest
    virtual ~DualStep() = default;
    // a = the a' that maximises gain(a') - z.(a' - a) - q/2 |a' - a|^2, z being the row's margins and q its |x|^2.
    virtual void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const = 0;
    virtual double gain(const T* a, int positive, size_t K, T c) const = 0;
};

// a = s c p with p = 1 / (1 + e^t), t being the margin s z' after the step: t = s z - q (s a) + q c p(t). Newton's method
// from 0, or from the margin before where that lies between 0 and the root: there the sigmoid has no turning point and
// every iterate is nearer (Yu, Huang & Lin 2011, section 3, for the same problem in a). The last iterate is taken along
// the tangent, without another exponential.
template <class T>
struct LogisticStep final : DualStep<T> {
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        if (K == 1) return step<true>(z[0], positive == 0 ? T(1) : T(-1), q, c, a[0]);
        for (size_t k = 0; k < K; ++k) step<false>(z[k], static_cast<int>(k) == positive ? T(1) : T(-1), q, c, a[k]);
    }
    double gain(const T* a, int positive, size_t K, T c) const override {
        double total = 0;
        for (size_t k = 0; k < K; ++k) {
            double p = std::min(1.0, std::max(0.0, (static_cast<int>(k) == positive ? a[k] : -a[k]) / static_cast<double>(c)));
            if (p > 0 && p < 1) total -= p * std::log(p) + (1 - p) * std::log1p(-p);
        }
        return c * total;
    }

private:
    static constexpr int kIterations = sizeof(T) == 4 ? 3 : 5;

    // `Early` ends where the tangent is good enough; without it there is no branch, and loops over outputs become vectors.
    template <bool Early>
    static void step(T z, T s, T q, T c, T& a) {
        const T r = q * c, m = s * z, base = m - q * s * a;
        T side = base + r / 2 > 0 ? T(1) : T(-1), p = 1 / (1 + fast_exp(m));
        bool between = m * side > 0 && (base + r * p - m) * side > 0;
        T t = between ? m : T(0);
        p = between ? p : T(0.5);
        T move = 0;
        for (int i = 0; i < kIterations; ++i) {
            move = (base + r * p - t) / (1 + r * p * (1 - p));
            if (i + 1 == kIterations || (Early && std::abs(move) < kTangent)) break;
            t += move;
            p = 1 / (1 + fast_exp(t));
        }
        // to second order: p' = -p (1 - p), p'' = p (1 - p) (1 - 2 p)
        p -= p * (1 - p) * move * (1 - (T(0.5) - p) * move);
        a = s * c * std::min(std::max(p, T(0)), T(1));
    }
    static constexpr T kTangent = sizeof(T) == 4 ? T(0.1) : T(0.01);
};

// Hinge, smoothed over a width gamma, or squared (Hsieh et al. 2008, eq. 9; Shalev-Shwartz & Zhang 2013, section 6.2):
// gain = s a - slack/2 a^2 for s a in [0, most].
template <class T>
struct HingeStep final : DualStep<T> {
    double gamma;
    bool squared;
    HingeStep(double gamma, bool squared) : gamma(gamma), squared(squared) {}
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        const T slack = slack_of(c), most = squared ? std::numeric_limits<T>::max() : c;
        for (size_t k = 0; k < K; ++k) {
            T s = static_cast<int>(k) == positive ? T(1) : T(-1), b = s * a[k], slope = 1 - s * z[k] - slack * b;
            // a row without a non-zero has no curvature
            b = slope > 0 && !(q + slack > 0) ? most : b + (slope == 0 ? T(0) : slope / (q + slack));
            a[k] = s * std::min(std::max(b, T(0)), most);
        }
    }
    double gain(const T* a, int positive, size_t K, T c) const override {
        double total = 0, slack = slack_of(c);
        for (size_t k = 0; k < K; ++k) {
            double b = static_cast<int>(k) == positive ? a[k] : -a[k];
            total += b - slack / 2 * b * b;
        }
        return total;
    }

private:
    T slack_of(T c) const { return static_cast<T>(squared ? 0.5 / c : gamma / c); }
};

// a = c (y - p) with p = softmax(z'), z' = z + q (a' - a): Newton's method in the logits u, whose matrix I + q c (diag p - p p^T)
// is inverted by the formula of Sherman and Morrison.
template <class T>
struct SoftmaxStep final : DualStep<T> {
    SoftmaxStep() { this->separable = false; }
    void ascend(const T* z, int positive, size_t K, T q, T c, T* a) const override {
        thread_local std::vector<T> buffer;
        if (buffer.size() < 3 * K) buffer.resize(3 * K);
        T *u = buffer.data(), *p = u + K, *e = p + K;
        const T r = q * c;
        std::copy(z, z + K, u);
        softmax(u, K, p);
        for (int i = 0; i < kIterations; ++i) {
            T along = 0, square = 0, largest = 0;
            for (size_t k = 0; k < K; ++k) {
                T d = 1 / (1 + r * p[k]);
                e[k] = d * (z[k] - q * a[k] - r * p[k] - u[k] + (static_cast<int>(k) == positive ? r : T(0)));
                along += e[k] * p[k];
                square += d * p[k] * p[k];
            }
            T f = r * along / std::max(1 - r * square, std::numeric_limits<T>::epsilon());
            for (size_t k = 0; k < K; ++k) {
                e[k] += f * p[k] / (1 + r * p[k]);
                largest = std::max(largest, std::abs(e[k]));
            }
            // a longer step would leave the range in which the exponentials are near their tangents
            T t = largest > kLongest ? kLongest / largest : T(1);
            for (size_t k = 0; k < K; ++k) u[k] += t * e[k];
            softmax(u, K, p);
            if (largest < T(1e-3)) break;
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
    static constexpr int kIterations = 12;
    static constexpr T kLongest = 4;

    static void softmax(const T* u, size_t K, T* p) {
        T top = u[0], sum = 0;
        for (size_t k = 1; k < K; ++k) top = std::max(top, u[k]);
        for (size_t k = 0; k < K; ++k) p[k] = fast_exp(u[k] - top);
        for (size_t k = 0; k < K; ++k) sum += p[k];
        T inverse = 1 / sum;
        for (size_t k = 0; k < K; ++k) p[k] *= inverse;
    }
};

// Null for a loss that has no step.
template <class T>
std::unique_ptr<DualStep<T>> make_dual_step(const std::string& loss, double gamma, bool squared) {
    if (loss == "logistic") return std::make_unique<LogisticStep<T>>();
    if (loss == "softmax") return std::make_unique<SoftmaxStep<T>>();
    if (loss == "hinge" && !(squared && gamma > 0)) return std::make_unique<HingeStep<T>>(gamma, squared);
    throw std::invalid_argument("the loss '" + loss + "' has no step of dual coordinate ascent");
}
