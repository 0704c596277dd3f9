// Random orders are the same on every platform.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// Generates random numbers by splitmix64 (Steele et al. 2014).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    size_t below(size_t n) {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        z ^= z >> 31;
        return static_cast<size_t>((static_cast<unsigned __int128>(z) * n) >> 64);
    }

    // Returns an index, each as likely as its weight.
    int32_t draw(const std::vector<double>& weights) {
        constexpr size_t kSteps = size_t(1) << 53;
        double total = 0, sum = 0;
        for (double weight : weights) total += weight;
        const double limit = total * (static_cast<double>(below(kSteps)) / kSteps);
        int32_t drawn = 0;  // the last of positive weight where rounding leaves none
        for (size_t i = 0; i < weights.size(); ++i) {
            if (!(weights[i] > 0)) continue;
            drawn = static_cast<int32_t>(i);
            if ((sum += weights[i]) > limit) break;
        }
        return drawn;
    }

private:
    uint64_t state_;
};

// Shuffles the values as Fisher and Yates do.
inline void shuffle(int64_t* values, size_t n, Random& random) {
    for (size_t i = n; i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

// Shuffles runs of values, and the values within each. This is most of a random order, of which a run lies together in
// memory; with runs of one value it is a random order.
inline void shuffle_runs(const int64_t* values, size_t n, size_t run, uint64_t seed, int64_t* out) {
    Random random(seed);
    run = std::min(run, std::max<size_t>(n, 1));
    std::vector<int64_t> firsts((n + run - 1) / run);
    for (size_t r = 0; r < firsts.size(); ++r) firsts[r] = static_cast<int64_t>(r * run);
    shuffle(firsts.data(), firsts.size(), random);
    for (int64_t first : firsts) {
        size_t length = std::min(run, n - first);
        std::copy_n(values + first, length, out);
        shuffle(out, length, random);
        out += length;
    }
}
