// What becomes of a count: its logarithm, the weight of its term, the norm of
// its document.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

enum class Norm { kNone, kL1, kL2 };

// Each operation is rounded as scikit-learn's: in T, but sums of norms and
// divisions by them in float64.
template <class T>
struct Weights {
    bool binary = false;
    const T* tf = nullptr;   // by count, what takes its place; null leaves it
    const T* idf = nullptr;  // by column; null is 1
    Norm norm = Norm::kNone;

    T value(int64_t count, size_t column) const {
        if (binary) count = 1;
        T x = tf ? tf[count] : static_cast<T>(count);
        if (idf) x *= idf[column];
        return x;
    }

    // What a value adds to the sum of a norm.
    double part(T x) const {
        T square = x * x;
        return norm == Norm::kL2 ? static_cast<double>(square) : std::fabs(static_cast<double>(x));
    }

    // What to divide by for a sum: an empty row is left as it is.
    double divisor(double sum) const { return sum == 0 ? 1 : norm == Norm::kL2 ? std::sqrt(sum) : sum; }
};
