// Vectors of one register, in the extensions of GCC and clang, are SSE in the baseline and AVX in v3.
#pragma once
#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__AVX__)
constexpr size_t kVectorBytes = 32;
#else
constexpr size_t kVectorBytes = 16;
#endif
constexpr int kTile = 8;  // vectors of sums that fit the registers
template <class T>
constexpr size_t kLanes = kVectorBytes / sizeof(T);

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(kVectorBytes)));
    typedef T in_memory __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::type;

template <class T>
inline size_t padded(size_t n) {
    return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// at(p) is a vector in memory, at the alignment of its numbers.
#if defined(__clang__)
// clang forgets a typedef's alignment on the way through a template, and would store as if it were a register's.
template <class T>
class InMemory {
public:
    using V = Vec<std::remove_const_t<T>>;
    explicit InMemory(T* p) : p_(p) {}
    operator V() const { return load(); }
    V load() const {
        V v;
        __builtin_memcpy(&v, p_, sizeof v);
        return v;
    }
    void operator=(const V& v) const { __builtin_memcpy(p_, &v, sizeof v); }
    void operator+=(const V& v) const { *this = load() + v; }
    friend V operator*(std::remove_const_t<T> a, const InMemory& x) { return a * x.load(); }
    friend V operator+(std::remove_const_t<T> a, const InMemory& x) { return a + x.load(); }
    friend V operator*(const V& a, const InMemory& x) { return a * x.load(); }
    friend V& operator*=(V& a, const InMemory& x) { return a *= x.load(); }

private:
    T* p_;
};
template <class A, class B>
inline auto operator*(const InMemory<A>& a, const InMemory<B>& b) {
    return a.load() * b.load();
}
template <class T>
inline InMemory<T> at(T* p) {
    return InMemory<T>(p);
}
#else
// It is a reference, because a vector that is passed by value changes the ABI with the instruction set.
template <class T>
inline auto& at(T* p) {
    return *reinterpret_cast<typename VectorOf<T>::in_memory*>(p);
}
template <class T>
inline const auto& at(const T* p) {
    return *reinterpret_cast<const typename VectorOf<T>::in_memory*>(p);
}
#endif

// Sums stay in registers only where the loops over them are unrolled.
#if defined(__clang__)
#define UNROLLED_FOR(...) _Pragma("unroll") for (__VA_ARGS__)
#else
#define UNROLLED_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#endif

template <class T>
struct AlignedAllocator {
    using value_type = T;
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};
template <class T>
using Aligned = std::vector<T, AlignedAllocator<T>>;

template <class T>
inline void raise(Vec<T>& best, const Vec<T>& value) {
    best = best > value ? best : value;
}

// Returns v with lane l in the place of lane l ^ By.
template <size_t By, class T>
inline Vec<T> swapped(const Vec<T>& v) {
    return [&]<size_t... l>(std::index_sequence<l...>) {
        return __builtin_shufflevector(v, v, (l ^ By)...);
    }(std::make_index_sequence<kLanes<T>>());
}

// Joins the lanes of v by f, two halves at a time. They stay in a register: through memory, loads wait for stores.
template <class T, class F>
inline T joined(Vec<T> v, F f) {
    if constexpr (kLanes<T> >= 8) v = f(v, swapped<4, T>(v));
    if constexpr (kLanes<T> >= 4) v = f(v, swapped<2, T>(v));
    return f(v, swapped<1, T>(v))[0];
}

template <class T>
inline T sum_of(const Vec<T>& v) {
    return joined<T>(v, [](const Vec<T>& a, const Vec<T>& b) { return a + b; });
}

template <class T>
inline T largest_lane(const Vec<T>& v) {
    return joined<T>(v, [](const Vec<T>& a, const Vec<T>& b) { return a > b ? a : b; });
}

// Returns the largest of `width` values, which are whole vectors. The compiler must not reorder a scalar maximum.
template <class T>
inline T largest_of(const T* values, size_t width) {
    Vec<T> best = at(values);
    for (size_t k = kLanes<T>; k < width; k += kLanes<T>) raise<T>(best, at(values + k));
    return largest_lane<T>(best);
}

// Returns the largest of values + mask, the mask being 0 or, where a value does not count, the lowest number.
template <class T>
inline T largest_masked(const T* values, const T* mask, size_t width) {
    Vec<T> best = at(values) + at(mask);
    for (size_t k = kLanes<T>; k < width; k += kLanes<T>) raise<T>(best, at(values + k) + at(mask + k));
    return largest_lane<T>(best);
}

// Computes N vectors of a^T M, with M of K rows and `width` columns.
template <int N, class T>
inline void multiply_tile(const T* a, const T* M, size_t K, size_t width, T* out) {
    constexpr int ways = N <= 2 ? 4 : N * 2 <= kTile ? 2 : 1;  // sums that do not wait for each other
    Vec<T> sum[ways][N] = {};
    size_t i = 0;
    for (; i + ways <= K; i += ways)
        UNROLLED_FOR (int w = 0; w < ways; ++w)
            UNROLLED_FOR (int v = 0; v < N; ++v) sum[w][v] += a[i + w] * at(M + (i + w) * width + v * kLanes<T>);
    for (; i < K; ++i)
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[0][v] += a[i] * at(M + i * width + v * kLanes<T>);
    UNROLLED_FOR (int v = 0; v < N; ++v) {
        UNROLLED_FOR (int w = 1; w < ways; ++w) sum[0][v] += sum[w][v];
        at(out + v * kLanes<T>) = sum[0][v];
    }
}

// Calls f.template operator()<N>(first vector) for the tiles, of at most kTile, that cover `n` vectors.
template <class F>
inline void in_tiles(size_t n, F f) {
    size_t v = 0;
    for (; v + kTile <= n; v += kTile) f.template operator()<kTile>(v);
    switch (n - v) {
        case 1: return f.template operator()<1>(v);
        case 2: return f.template operator()<2>(v);
        case 3: return f.template operator()<3>(v);
        case 4: return f.template operator()<4>(v);
        case 5: return f.template operator()<5>(v);
        case 6: return f.template operator()<6>(v);
        case 7: return f.template operator()<7>(v);
    }
}

// Computes out = a^T M, `width` being whole vectors.
template <class T>
inline void multiply(const T* a, const T* M, size_t K, size_t width, T* out) {
    in_tiles(width / kLanes<T>,
             [&]<int N>(size_t v) { multiply_tile<N>(a, M + v * kLanes<T>, K, width, out + v * kLanes<T>); });
}

// Computes A += sum_t left_t right_t^T over n rows, for R rows of A by N vectors, in registers while t runs.
template <int R, int N, class T>
inline void outer_tile(const T* left, const T* right, size_t n, size_t width, T* A) {
    Vec<T> sum[R][N];
    UNROLLED_FOR (int i = 0; i < R; ++i)
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[i][v] = at(A + i * width + v * kLanes<T>);
    for (size_t t = 0; t < n; ++t)
        UNROLLED_FOR (int i = 0; i < R; ++i)
            UNROLLED_FOR (int v = 0; v < N; ++v)
                sum[i][v] += left[t * width + i] * at(right + t * width + v * kLanes<T>);
    UNROLLED_FOR (int i = 0; i < R; ++i)
        UNROLLED_FOR (int v = 0; v < N; ++v) at(A + i * width + v * kLanes<T>) = sum[i][v];
}

template <class T>
inline void add_outer(const T* left, const T* right, size_t n, size_t K, size_t width, T* A) {
    constexpr int R = kTile / 2;
    auto rows = [&]<int N>(size_t v) {
        const T* r = right + v * kLanes<T>;
        T* a = A + v * kLanes<T>;
        size_t i = 0;
        for (; i + R <= K; i += R) outer_tile<R, N>(left + i, r, n, width, a + i * width);
        for (; i < K; ++i) outer_tile<1, N>(left + i, r, n, width, a + i * width);
    };
    size_t n_vectors = width / kLanes<T>, v = 0;
    for (; v + 3 <= n_vectors; v += 3) rows.template operator()<3>(v);
    if (n_vectors - v == 2) rows.template operator()<2>(v);
    if (n_vectors - v == 1) rows.template operator()<1>(v);
}

// Computes z = sum_p x_p W[index_p] with rows of `width`.
template <class T, class I>
inline void gather_rows(const I* index, const T* x, size_t n, const T* W, size_t width, T* z) {
    in_tiles(width / kLanes<T>, [&]<int N>(size_t first) {
        const T* base = W + first * kLanes<T>;
        Vec<T> sum[N] = {};
        for (size_t p = 0; p < n; ++p) {
            const T* row = base + static_cast<size_t>(index[p]) * width;
            UNROLLED_FOR (int v = 0; v < N; ++v) sum[v] += x[p] * at(row + v * kLanes<T>);
        }
        UNROLLED_FOR (int v = 0; v < N; ++v) at(z + (first + v) * kLanes<T>) = sum[v];
    });
}

// Computes G[index_p] += x_p d with rows of `width`.
template <class T, class I>
inline void scatter_rows(const I* index, const T* x, size_t n, const T* d, size_t width, T* G) {
    in_tiles(width / kLanes<T>, [&]<int N>(size_t first) {
        T* base = G + first * kLanes<T>;
        Vec<T> delta[N];
        UNROLLED_FOR (int v = 0; v < N; ++v) delta[v] = at(d + (first + v) * kLanes<T>);
        for (size_t p = 0; p < n; ++p) {
            T* row = base + static_cast<size_t>(index[p]) * width;
            UNROLLED_FOR (int v = 0; v < N; ++v) at(row + v * kLanes<T>) += x[p] * delta[v];
        }
    });
}
