// The two-loop recursion of L-BFGS (Nocedal & Wright 2006, algorithm 7.4) on threads that meet at each inner product.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/parallel.hpp"

// Is the part of H0 that is no diagonal: the symmetric matrix `inverse` (size x size) on some entries.
template <class T>
struct InverseBlock {
    const int64_t* entries;
    size_t size;
    const T* inverse;
};

// Computes d = -H g, where H is the inverse Hessian that the pairs (s, y) of `order`, newest first, make of H0 =
// gamma diag(h0) or gamma I, and of the block on its entries.
template <class T>
void two_loop(const T* S, const T* Y, const double* rho, const int64_t* order, size_t n_pairs, const T* g, const T* h0,
              double gamma, const InverseBlock<T>& block, T* d, size_t size, int n_threads) {
    int n = threads_for(n_threads, 4.0 * size);
    size_t n_chunks = (size + kChunk - 1) / kChunk;
    std::vector<double> sums[2] = {std::vector<double>(n_chunks), std::vector<double>(n_chunks)};
    std::vector<T> in(block.size), out(block.size);
    SpinBarrier barrier(n);
    // every thread has its rows of the block
    auto multiply_block = [&](int t) {
        if (!block.size) return;
        barrier.wait();
        const size_t begin = part(block.size, 1, t, n), end = part(block.size, 1, t + 1, n);
        if (t == 0)
            for (size_t i = 0; i < block.size; ++i) in[i] = d[block.entries[i]];
        barrier.wait();
        for (size_t i = begin; i < end; ++i)
            out[i] = static_cast<T>(dot(block.inverse + i * block.size, in.data(), block.size));
        barrier.wait();
    };
    auto recursion = [&](int t) {
        size_t first = part(size, kChunk, t, n), last = part(size, kChunk, t + 1, n);
        int turn = 0;
        auto dot_with_d = [&](const T* a) {  // every thread adds all chunks, in order
            auto& sum = sums[turn];
            turn ^= 1;
            for (size_t i = first; i < last; i += kChunk)
                sum[i / kChunk] = dot_chunk(a + i, d + i, std::min(kChunk, last - i));
            barrier.wait();
            double total = 0;
            for (double value : sum) total += value;
            return total;
        };
        std::vector<double> alpha(n_pairs);
        for (size_t i = first; i < last; ++i) d[i] = -g[i];
        for (size_t j = 0; j < n_pairs; ++j) {
            const T *s = S + order[j] * size, *y = Y + order[j] * size;
            alpha[j] = rho[order[j]] * dot_with_d(s);
            T a = static_cast<T>(alpha[j]);
            for (size_t i = first; i < last; ++i) d[i] -= a * y[i];
        }
        multiply_block(t);
        T scale = static_cast<T>(gamma);
        for (size_t i = first; i < last; ++i) d[i] *= h0 ? scale * h0[i] : scale;
        for (size_t i = 0; i < block.size; ++i) {
            const auto entry = static_cast<size_t>(block.entries[i]);
            if (first <= entry && entry < last) d[entry] = out[i];
        }
        for (size_t j = n_pairs; j-- > 0;) {
            const T *s = S + order[j] * size, *y = Y + order[j] * size;
            T b = static_cast<T>(alpha[j] - rho[order[j]] * dot_with_d(y));
            for (size_t i = first; i < last; ++i) d[i] += b * s[i];
        }
    };
    parallel(n, recursion, &barrier);
}
