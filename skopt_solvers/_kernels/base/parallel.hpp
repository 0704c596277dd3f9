// Fork-join threads and sums whose bits do not depend on how many threads there are.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Lets threads wait for each other many times in a call. They spin for a short time before they sleep, because to sleep
// costs as much as a block of work.
class SpinBarrier {
public:
    explicit SpinBarrier(int n) : n_(n) {}
    void wait() {
        int turn = turn_.load();
        if (turn != kAbandoned) {
            if (arrived_.fetch_add(1) + 1 == n_) {
                arrived_ = 0;
                turn_ = 1 - turn;
                turn_.notify_all();
                return;
            }
            for (int spins = 0; turn_.load(std::memory_order_acquire) == turn && spins < 2000; ++spins) relax();
            while (turn_.load(std::memory_order_acquire) == turn) turn_.wait(turn);
        }
        if (turn_.load(std::memory_order_relaxed) == kAbandoned) throw Abandoned{};
    }

    // Says that one of the threads will not come, so that whoever waits, or will wait, throws. As it has not arrived,
    // no turn can end meanwhile.
    void abandon() {
        turn_ = kAbandoned;
        turn_.notify_all();
    }

private:
    struct Abandoned {};
    static constexpr int kAbandoned = -1;
    int n_;
    std::atomic<int> arrived_ = 0, turn_ = 0;
};

// Calls f(t) for t in [0, n_threads), and the caller runs t = 0. Threads live for one call: a pool would survive fork()
// as a deadlock, and starting a thread costs less than 1 % of a pass worth sharing. All have ended when the first
// exception of any of them, or of a thread that could not be started, is thrown to the caller. `barrier` is the one at
// which they wait for each other.
template <class F>
void parallel(int n_threads, F f, SpinBarrier* barrier = nullptr) {
    std::atomic_flag failed;
    std::exception_ptr first;
    auto fail = [&] {
        if (!failed.test_and_set()) first = std::current_exception();
        if (barrier) barrier->abandon();
    };
    auto guarded = [&](int t) {
        try {
            f(t);
        } catch (...) {
            fail();
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(n_threads > 1 ? n_threads - 1 : 0);
    try {
        for (int t = 1; t < n_threads; ++t) threads.emplace_back(guarded, t);
        f(0);
    } catch (...) {
        fail();
    }
    for (auto& thread : threads) thread.join();
    if (first) std::rethrow_exception(first);
}

// Returns how many threads have so much work, in multiply-adds, that it takes longer than to start them.
inline int threads_for(int n_threads, double work) {
    return static_cast<int>(std::max(1.0, std::min<double>(n_threads, work / 100000.0)));
}

// Returns where part t of n equal parts of [0, size) begins. Parts are cut at multiples of `grain`.
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

// Computes the sums over the rows of a table of K columns.
template <class T>
void column_sums(const T* table, size_t n_rows, size_t K, double* sum) {
    std::fill(sum, sum + K, 0.0);
    for (size_t i = 0; i < n_rows; ++i)
        for (size_t k = 0; k < K; ++k) sum[k] += table[i * K + k];
}
