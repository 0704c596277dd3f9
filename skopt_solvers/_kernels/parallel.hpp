// Fork-join threads and sums whose bits do not depend on how many threads there are.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

// f(t) for t in [0, n_threads); the caller runs t = 0. Threads live for one call: a pool would
// survive fork() as a deadlock, and starting a thread costs less than 1 % of a pass worth sharing.
template <class F>
void parallel(int n_threads, F f) {
    std::vector<std::thread> threads;
    threads.reserve(n_threads > 1 ? n_threads - 1 : 0);
    for (int t = 1; t < n_threads; ++t) threads.emplace_back(f, t);
    f(0);
    for (auto& thread : threads) thread.join();
}

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Where threads wait for each other many times in a call: a short spin before sleeping, which costs as much as a block of work.
class SpinBarrier {
public:
    explicit SpinBarrier(int n) : n_(n) {}
    void wait() {
        int turn = turn_.load();
        if (arrived_.fetch_add(1) + 1 == n_) {
            arrived_ = 0;
            turn_ = turn + 1;
            turn_.notify_all();
            return;
        }
        for (int spins = 0; turn_.load(std::memory_order_acquire) == turn && spins < 2000; ++spins) relax();
        while (turn_.load(std::memory_order_acquire) == turn) turn_.wait(turn);
    }

private:
    int n_;
    std::atomic<int> arrived_ = 0, turn_ = 0;
};

// Work below this many multiply-adds a thread is done sooner than a thread starts.
inline int threads_for(int n_threads, double work) {
    return std::max(1, std::min(n_threads, static_cast<int>(work / 100000.0)));
}

// Part t of n equal parts of [0, size), cut at multiples of `grain`.
inline size_t part(size_t size, size_t grain, int t, int n) {
    size_t grains = (size + grain - 1) / grain;
    return std::min(size, grains * t / n * grain);
}

constexpr size_t kChunk = 2048;  // sums are formed a chunk at a time and the chunks added in order

template <class T>
double dot_chunk(const T* a, const T* b, size_t n) {
    T lane[16] = {};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t l = 0; l < 16; ++l) lane[l] += a[i + l] * b[i + l];
    double sum = 0;
    for (; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
    for (T value : lane) sum += value;
    return sum;
}

template <class T>
double dot(const T* a, const T* b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i += kChunk) sum += dot_chunk(a + i, b + i, std::min(kChunk, n - i));
    return sum;
}
