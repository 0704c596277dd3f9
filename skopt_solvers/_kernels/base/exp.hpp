// The exponential function has no branch here, so that loops over classes become vector code, which libm's prevents.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/vectors.hpp"

// Returns e^x near 0, by the polynomial of Cephes (expf.c) for float and the Taylor polynomial of degree 13, whose
// remainder is below the rounding, for double. V is the number or a vector of them.
template <class V>
inline V exp_near_0(const V& x, float) {
    V p = V{} + 1.9875691500e-4f;
    p = p * x + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    return p * x * x + x + 1.0f;
}

template <class V>
inline V exp_near_0(const V& x, double) {
    V p = V{} + 1.6059043836821613e-10;
    p = p * x + 2.0876756987868099e-09;
    p = p * x + 2.5052108385441720e-08;
    p = p * x + 2.7557319223985888e-07;
    p = p * x + 2.7557319223985893e-06;
    p = p * x + 2.4801587301587302e-05;
    p = p * x + 1.9841269841269841e-04;
    p = p * x + 1.3888888888888889e-03;
    p = p * x + 8.3333333333333333e-03;
    p = p * x + 4.1666666666666664e-02;
    p = p * x + 1.6666666666666666e-01;
    p = p * x + 0.5;
    return p * x * x + x + 1.0;
}

// Returns e^x to 1 ulp or so, by reduction to [-log(2)/2, log(2)/2] and a polynomial. Below -87 it stays at e^-87.
inline float fast_exp(float x) {
    x = std::min(std::max(x, -87.0f), 88.0f);  // in this order NaN stays NaN
    float n = x * 1.44269504088896341f;
    int32_t k = static_cast<int32_t>(n + (n < 0 ? -0.5f : 0.5f));
    float f = static_cast<float>(k);
    x = x - f * 0.693359375f + f * 2.12194440e-4f;
    float p = exp_near_0(x, x);
    int32_t bits = (k + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

// Returns the same in double. Below -708 it stays at e^-708.
inline double fast_exp(double x) {
    x = std::min(std::max(x, -708.0), 709.0);
    constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves the nearest integer in the low bits
    double n = x * 1.4426950408889634 + shift;
    int64_t bits;
    std::memcpy(&bits, &n, sizeof bits);
    n -= shift;
    x = x - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10;
    double p = exp_near_0(x, x);
    bits = static_cast<int64_t>((static_cast<uint64_t>(bits) + 1023) << 52);
    double scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

// Returns the same for each lane of a vector. From the scalar function compilers make branches of blends for it.
template <class T>
inline Vec<T> exp_lanes(Vec<T> x) {
    using Bits = typename VectorOf<std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>::type;
    constexpr bool single = sizeof(T) == 4;
    constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023;
    constexpr T shift = single ? T(12582912) : T(6755399441055744);  // 1.5 * 2^mantissa, as above
    const Vec<T> lowest = Vec<T>{} + (single ? T(-87) : T(-708)), highest = Vec<T>{} + (single ? T(88) : T(709));
    x = x < lowest ? lowest : x;
    x = x > highest ? highest : x;
    Vec<T> n = x * T(1.44269504088896341) + shift;
    const Bits bits = (reinterpret_cast<Bits>(n) + bias) << mantissa;
    n -= shift;
    x = x - n * (single ? T(0.693359375) : T(0.693147180369123816490)) -
        n * (single ? T(-2.12194440e-4) : T(1.90821492927058770002e-10));
    return exp_near_0(x, T(0)) * reinterpret_cast<Vec<T>>(bits);
}

// Returns log(1 + e) for e in [0, 1], as 2 artanh(e / (2 + e)), to the rounding.
template <class T>
inline T log1p_of_unit(T e) {
    constexpr int terms = sizeof(T) == 4 ? 8 : 17;
    T s = e / (2 + e), square = s * s, sum = 0;
#pragma GCC unroll 17  // GCC leaves a loop of more than 16 turns, and then no loop around it becomes vectors
    for (int k = terms - 1; k >= 0; --k) sum = sum * square + T(1) / (2 * k + 1);
    return 2 * s * sum;
}

// Computes p_k = e^(z_k - top) / sum, top being the largest of z, and returns top and sum. p must not be z.
template <class T>
inline std::pair<T, T> softmax(const T* z, size_t K, T* p) {
    T top = z[0], sum = 0;
    for (size_t k = 1; k < K; ++k) top = std::max(top, z[k]);
    for (size_t k = 0; k < K; ++k) p[k] = fast_exp(z[k] - top);
    for (size_t k = 0; k < K; ++k) sum += p[k];
    T inverse = 1 / sum;
    for (size_t k = 0; k < K; ++k) p[k] *= inverse;
    return {top, sum};
}
