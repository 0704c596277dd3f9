// The likelihood of several sequences side by side, for widths that are known when this is compiled.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/exp.hpp"
#include "base/vectors.hpp"
#include "chain/sequences.hpp"
#include "chain/transitions.hpp"

// The recursions of Lattice, for rows of N vectors. The steps of a sequence wait for each other, and those of the
// others fill the time. What comes out for a sequence does not depend, to the bit, on those beside it.
template <class T>
class Lockstep {
public:
    static constexpr int kMostVectors = 8;  // of a row

    // Returns how many sequences have sums that fit the registers together.
    static constexpr size_t abreast(int n_vectors) { return n_vectors <= 3 ? kAbreast : n_vectors <= 6 ? 2 : 1; }

    // A sequence whose tokens all have a label.
    struct Sequence {
        const int32_t* y;
        size_t n;
        T* D;      // n rows of scores, which become those of the gradient
        T weight;  // of its loss
        double loss = 0;
        bool exact = true;  // false where the range of T has been left: loss and D are of no use then
        // of the recursions
        T *a = nullptr, *u = nullptr;        // rows of forward sums, and right sides of pairs
        T *norm = nullptr, *done = nullptr;  // what is left to multiply a row of `a` by, and what it was multiplied by
        T last = 1, limit = 0;
        Vec<T> total{};                                       // of D
        alignas(kVectorBytes) T b[kMostVectors * kLanes<T>];  // the backward values, times norm and weight
    };

    // Computes the loss of `count` sequences, and their gradients where A is given. Expected pairs, before their factor
    // M, are added to A. Little is gained where lengths differ much.
    template <int N>
    void run(const Transitions<T>& chain, Sequence* s, size_t count, T* A) {
        constexpr size_t side = abreast(N);
        auto shorter = [](const Sequence& a, const Sequence& b) { return a.n < b.n; };
        const size_t common = count == side ? std::min_element(s, s + side, shorter)->n : 1;  // steps that all take
        reserve_rows(s, count, N * kLanes<T>);
        for (size_t q = 0; q < count; ++q) begin<N>(chain, s[q]);
        if (count == side) forward<N, side>(chain, s, 1, common);
        for (size_t q = 0; q < count; ++q) {
            forward<N, 1>(chain, s + q, common, s[q].n);
            end_forward<N>(chain, s[q]);
        }
        if (!A && !chain.forbidden) return;
        for (size_t q = 0; q < count; ++q) {
            begin_backward<N>(chain, s[q]);
            backward<N, 1>(chain, s + q, common, s[q].n);
        }
        if (count == side)
            backward<N, side>(chain, s, 0, common);
        else
            for (size_t q = 0; q < count; ++q) backward<N, 1>(chain, s + q, 0, common);
        for (size_t q = 0; q < count; ++q) end_backward<N>(chain, s[q], A);
    }

private:
    void reserve_rows(Sequence* s, size_t count, size_t width) {
        size_t n = 0;
        for (size_t q = 0; q < count; ++q) n += s[q].n;
        if (a_.size() < n * width) a_.resize(n * width), u_.resize(n * width);
        if (norm_.size() < n) norm_.resize(n), done_.resize(n);
        n = 0;
        for (size_t q = 0; q < count; n += s[q++].n)
            s[q].a = &a_[n * width], s[q].u = &u_[n * width], s[q].norm = &norm_[n], s[q].done = &done_[n];
    }

    // Turns the scores into e^(score - the largest of the token), and makes the first step.
    template <int N>
    static void begin(const Transitions<T>& chain, Sequence& s) {
        constexpr size_t width = N * kLanes<T>;
        double tops = 0;
        const double score = path_score(s.D, s.y, s.n, chain);
        for (size_t t = 0; t < s.n; ++t) {
            T* e = s.D + t * width;
            const T top = largest_masked(e, chain.mask.data(), width);
            for (size_t k = 0; k < width; k += kLanes<T>) at(e + k) = exp_lanes<T>(at(e + k) - top);
            tops += top;
        }
        s.loss = tops - score;
        Vec<T> x[N];
        UNROLLED_FOR (int v = 0; v < N; ++v) x[v] = at(chain.start.data() + v * kLanes<T>);
        scale<N>(s, 0, T(1), x);
    }

    // Computes row t of `a` from x, the row before it times M.
    template <int N>
    static void scale(Sequence& s, size_t t, T before, Vec<T>* x) {
        constexpr size_t width = N * kLanes<T>;
        const T* e = s.D + t * width;
        T* a = s.a + t * width;
        Vec<T> sum{};
        UNROLLED_FOR (int v = 0; v < N; ++v) {
            x[v] = x[v] * at(e + v * kLanes<T>) * before;
            sum += x[v];
            at(a + v * kLanes<T>) = x[v];
        }
        const T c = sum_of<T>(sum);
        s.norm[t] = 1 / c;
        s.done[t] = 1;
        if (c < T(1e-4)) {  // rarely: the next step would begin too near to the end of the range
            for (size_t k = 0; k < width; ++k) a[k] *= s.norm[t];
            std::swap(s.norm[t], s.done[t]);
        }
    }

    template <int N, int S>
    static void forward(const Transitions<T>& chain, Sequence* s, size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t) {
            const T* before[S];
            Vec<T> x[S][N];
            UNROLLED_FOR (int q = 0; q < S; ++q) before[q] = s[q].a + (t - 1) * N * kLanes<T>;
            multiply_all<N, S>(before, chain.M.data(), chain.K, x);
            UNROLLED_FOR (int q = 0; q < S; ++q) scale<N>(s[q], t, s[q].norm[t - 1], x[q]);
        }
    }

    template <int N>
    static void end_forward(const Transitions<T>& chain, Sequence& s) {
        double product = 1, log_z = chain.shift_start + chain.shift_end + static_cast<double>(s.n - 1) * chain.shift;
        T largest = T(1e4), last = 0;
        for (size_t t = 0; t < s.n; ++t) {
            const T inverse = s.norm[t] * s.done[t];
            largest = std::max(largest, inverse);
            product *= inverse;
            if (product < 1e-140 || product > 1e140) log_z -= std::log(product), product = 1;
        }
        const T* a = s.a + (s.n - 1) * N * kLanes<T>;
        for (size_t k = 0; k < chain.K; ++k) last += a[k] * chain.end[k];
        s.last = last * s.norm[s.n - 1];
        s.loss += log_z - std::log(product) + std::log(static_cast<double>(s.last));
        const double growth = kRange<T> - std::log(static_cast<double>(largest));
        s.exact = std::isfinite(s.loss) && chain.spread <= growth;
        s.limit = static_cast<T>(std::exp(growth)) * s.weight;
        s.loss *= s.weight;
    }

    template <int N>
    static void begin_backward(const Transitions<T>& chain, Sequence& s) {
        const T factor = s.norm[s.n - 1] * s.weight / s.last;
        for (size_t k = 0; k < N * kLanes<T>; ++k) s.b[k] = chain.end[k] * factor;
        s.total = Vec<T>{};
    }

    // Computes D = weight * marginals, and u so that M times it are the backward values of the step before.
    template <int N, int S>
    static void backward(const Transitions<T>& chain, Sequence* s, size_t begin, size_t end) {
        for (size_t t = end; t-- > begin;) {
            const T* right[S];
            UNROLLED_FOR (int q = 0; q < S; ++q) {
                combine<N>(s[q], t);
                right[q] = s[q].u + t * N * kLanes<T>;
                if (chain.forbidden && !(largest_of(s[q].b, N * kLanes<T>) < s[q].limit * s[q].norm[t]))
                    s[q].exact = false;
            }
            if (!t) return;
            Vec<T> b[S][N];
            multiply_all<N, S>(right, chain.Mt.data(), chain.K, b);
            UNROLLED_FOR (int q = 0; q < S; ++q)
                UNROLLED_FOR (int v = 0; v < N; ++v) at(s[q].b + v * kLanes<T>) = b[q][v];
        }
    }

    template <int N>
    static void combine(Sequence& s, size_t t) {
        T *d = s.D + t * N * kLanes<T>, *u = s.u + t * N * kLanes<T>;
        const T *a = s.a + t * N * kLanes<T>, factor = t ? s.done[t] * s.norm[t - 1] : T(0);
        Vec<T> total = s.total;
        UNROLLED_FOR (int v = 0; v < N; ++v) {
            const Vec<T> b = at(s.b + v * kLanes<T>), y = b * at(a + v * kLanes<T>);
            at(u + v * kLanes<T>) = b * at(d + v * kLanes<T>) * factor;
            at(d + v * kLanes<T>) = y;
            total += y;
        }
        s.total = total;
    }

    template <int N>
    static void end_backward(const Transitions<T>& chain, Sequence& s, T* A) {
        constexpr size_t width = N * kLanes<T>;
        const T whole = static_cast<T>(s.n) * s.weight;
        s.exact = s.exact && std::abs(sum_of<T>(s.total) - whole) < T(1e-2) * whole;
        if (!s.exact || !A) return;
        for (size_t t = 0; t < s.n; ++t) s.D[t * width + s.y[t]] -= s.weight;
        if (s.n > 1) add_outer(s.a, s.u + width, s.n - 1, chain.K, width, A);
    }

    // Computes S rows times a matrix of K rows, each sum in the order of the rows.
    template <int N, int S>
    static void multiply_all(const T* const* left, const T* M, size_t K, Vec<T> (*out)[N]) {
        Vec<T> sum[S][N] = {};
        for (size_t i = 0; i < K; ++i, M += N * kLanes<T>)
            UNROLLED_FOR (int q = 0; q < S; ++q)
                UNROLLED_FOR (int v = 0; v < N; ++v) sum[q][v] += left[q][i] * at(M + v * kLanes<T>);
        UNROLLED_FOR (int q = 0; q < S; ++q)
            UNROLLED_FOR (int v = 0; v < N; ++v) out[q][v] = sum[q][v];
    }

    Aligned<T> a_, u_;
    std::vector<T> norm_, done_;
};

// Calls f.template operator()<N>() for rows of N vectors. Returns false where no kernel is made for so many.
template <class F>
bool with_width(size_t n_vectors, F f) {
    switch (n_vectors) {
        case 1: return f.template operator()<1>(), true;
        case 2: return f.template operator()<2>(), true;
        case 3: return f.template operator()<3>(), true;
        case 4: return f.template operator()<4>(), true;
        case 5: return f.template operator()<5>(), true;
        case 6: return f.template operator()<6>(), true;
        case 7: return f.template operator()<7>(), true;
        case 8: return f.template operator()<8>(), true;
    }
    return false;
}
