// Ctrl-C ends a kernel: the thread that Python called asks for it now and then, and the others see what it found.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>

// Is thrown out of a kernel when all its threads have ended. What the kernel was writing is then of no use.
struct Interrupted {};

// Tells whether a signal has come that raises in Python. The bindings set it, and it is called without the GIL.
inline bool (*signal_arrived)() = nullptr;

// Keeps whether one call of a kernel is interrupted.
class Interruption {
public:
    // Tells thread t of the call, 0 being the one that Python called, whether to stop. Python is asked every 50 ms.
    bool stops(int t) {
        if (t == 0 && !stop_ && signal_arrived && Clock::now() >= next_) {
            next_ = Clock::now() + std::chrono::milliseconds(50);
            stop_ = signal_arrived();
        }
        return stop_.load(std::memory_order_relaxed);
    }
    void rethrow() const {
        if (stop_) throw Interrupted{};
    }

private:
    using Clock = std::chrono::steady_clock;
    std::atomic<bool> stop_ = false;
    Clock::time_point next_ = Clock::now() + std::chrono::milliseconds(50);
};

// Calls f(i) for i in [begin, end) in thread t, until it is interrupted.
template <class F>
void each_row(size_t begin, size_t end, int t, Interruption& interruption, F f) {
    constexpr size_t block = 512;
    for (; begin < end && !interruption.stops(t); begin += block)
        for (size_t i = begin; i < std::min(begin + block, end); ++i) f(i);
}
