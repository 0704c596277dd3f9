// Second derivatives of a loss are central differences of its gradient at the margins, so that a loss is one struct
// here too.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "linear/linear_objective.hpp"

// Of the rows of an objective at the margins Z.
template <class T, class Rows>
class SecondDerivatives {
public:
    SecondDerivatives(const LinearObjective<T, Rows>& objective, const T* Z) : o_(objective), Z_(Z) {}

    // Computes S[i K + k], the derivative of the loss's gradient in margin k of row `begin` + i in its margin l, or in
    // margin k itself where margins are independent.
    void of_rows(size_t begin, size_t n, size_t l, T* S) {
        const size_t K = o_.n_outputs;
        const T h = static_cast<T>(std::cbrt(std::numeric_limits<T>::epsilon()));
        shifted_.resize(n * K);
        behind_.resize(n * K);
        for (T side : {-h, h}) {
            for (size_t m = 0; m < n * K; ++m)
                shifted_[m] = Z_[begin * K + m] + (!o_.joint() || m % K == l ? side : T(0));
            o_.loss_of_rows(shifted_.data(), begin, n, side < 0 ? behind_.data() : S);
        }
        for (size_t m = 0; m < n * K; ++m) {
            S[m] = (S[m] - behind_[m]) / (2 * h);
            if (!o_.joint()) S[m] = std::max(S[m], T(0));  // what is below is rounding
        }
    }

private:
    const LinearObjective<T, Rows>& o_;
    const T* Z_;
    std::vector<T> shifted_, behind_;
};
