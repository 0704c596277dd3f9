// The step of a proximal quasi-Newton method: coordinate descent on a quadratic model of the loss, and L1 (Schmidt et
// al. 2009; Tang & Scheinberg 2016, section 4).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/vectors.hpp"

// Is a Hessian B = B0 - sum_k sign_k u_k u_k^T of `size` coordinates. B0 is a dense symmetric matrix on some entries,
// and a diagonal on the others. The u_k are sums of the rows of two tables with the numbers of `transform`.
template <class T>
struct ProximalModel {
    size_t size;
    const T* diagonal;  // of B0, not read on the entries
    const int64_t* entries;
    size_t n_entries;
    const T* matrix;
    const T *S, *Y;           // rows of `size`: those of S are multiplied by B0
    const T* products;        // B0 S on the entries, a row for each of S
    const int64_t* order;     // rows that count
    size_t n_pairs;           // so many
    const double* transform;  // of the rows of S and Y that count, one after the other: a column for each k
    const double* signs;
};

// Minimises g.d + d.B d / 2 + l1 |w + d|_1 over d. Coordinates at which w is 0 and g leaves it there stay at 0.
template <class T>
class ProximalStep {
public:
    ProximalStep(const ProximalModel<T>& model, const T* w, const T* g, T l1)
        : model_(model), w_(w), g_(g), l1_(l1), rank_(2 * model.n_pairs), width_(padded<T>(rank_)),
          place_(model.size, -1), signs_(width_, T(0)), sums_(width_, T(0)), in_block_(model.n_entries, T(0)) {
        for (size_t b = 0; b < model.n_entries; ++b) place_[model.entries[b]] = static_cast<int32_t>(b);
        std::copy_n(model.signs, rank_, signs_.begin());
        for (size_t j = 0; j < model.size; ++j)
            if (w[j] != 0 || std::abs(g[j]) > l1) active_.push_back(j);
        d_.assign(active_.size(), T(0));
        pack();
    }

    // Makes `most` sweeps over the coordinates at most. The end comes earlier where one moves less than `little` of
    // what the first did.
    void descend(size_t most, double little) {
        double first = 0;
        for (size_t sweep = 0; sweep < most; ++sweep) {
            const double moved = this->sweep();
            if (!sweep) first = moved;
            if (!(moved > little * first)) return;
        }
    }

    // Writes d, and returns g.d + l1 (|w + d|_1 - |w|_1).
    double write(T* d) const {
        std::fill_n(d, model_.size, T(0));
        double change = 0;
        for (size_t a = 0; a < active_.size(); ++a) {
            const size_t j = active_[a];
            d[j] = d_[a];
            change += static_cast<double>(g_[j]) * d_[a] +
                      static_cast<double>(l1_) * (std::abs(w_[j] + d_[a]) - std::abs(w_[j]));
        }
        return change;
    }

private:
    static constexpr T kLeast = T(1e-3);  // of the curvature of B0, that a coordinate has

    // Computes the active rows of the u_k, and the diagonal of B.
    void pack() {
        const size_t n = model_.n_pairs;
        rows_.resize(active_.size() * width_, T(0));
        curvature_.resize(active_.size());
        Aligned<T> transform(rank_ * width_, T(0));
        for (size_t i = 0; i < rank_; ++i)
            for (size_t k = 0; k < rank_; ++k)
                transform[i * width_ + k] = static_cast<T>(model_.transform[i * rank_ + k]);
        std::vector<T> raw(rank_);
        for (size_t a = 0; a < active_.size(); ++a) {
            const size_t j = active_[a];
            const int32_t b = place_[j];
            const T own = b < 0 ? model_.diagonal[j] : model_.matrix[b * model_.n_entries + b];
            for (size_t i = 0; i < n; ++i) {
                const size_t pair = model_.order[i];
                raw[i] = b < 0 ? own * model_.S[pair * model_.size + j] : model_.products[pair * model_.n_entries + b];
                raw[n + i] = model_.Y[pair * model_.size + j];
            }
            Vec<T> fall{};
            for (size_t k = 0; k < width_; k += kLanes<T>) {
                Vec<T> sum{};
                for (size_t i = 0; i < rank_; ++i) sum += raw[i] * at(transform.data() + i * width_ + k);
                at(rows_.data() + a * width_ + k) = sum;
                fall += sum * sum * at(signs_.data() + k);
            }
            curvature_[a] = std::max(own - sum_of<T>(fall), kLeast * own);
        }
    }

    // Returns the sum of the squared moves, each times the curvature.
    double sweep() {
        double moved = 0;
        for (size_t a = 0; a < active_.size(); ++a) {
            const size_t j = active_[a];
            const int32_t b = place_[j];
            const T* row = rows_.data() + a * width_;
            Vec<T> dot{};
            for (size_t k = 0; k < width_; k += kLanes<T>) dot += at(row + k) * at(sums_.data() + k);
            const T slope = g_[j] - sum_of<T>(dot) + (b < 0 ? model_.diagonal[j] * d_[a] : in_block_[b]);
            const T x = w_[j] + d_[a], curvature = curvature_[a];
            const T to = x - slope / curvature, threshold = l1_ / curvature;
            const T change = (to > threshold ? to - threshold : to < -threshold ? to + threshold : T(0)) - x;
            if (change == 0 || !std::isfinite(change)) continue;
            d_[a] = x + change == 0 ? -w_[j] : d_[a] + change;
            moved += static_cast<double>(change) * change * curvature;
            for (size_t k = 0; k < width_; k += kLanes<T>)
                at(sums_.data() + k) += at(signs_.data() + k) * at(row + k) * change;
            if (b < 0) continue;
            const T* column = model_.matrix + b * model_.n_entries;
            for (size_t i = 0; i < model_.n_entries; ++i) in_block_[i] += column[i] * change;
        }
        return moved;
    }

    const ProximalModel<T> model_;
    const T *w_, *g_;
    const T l1_;
    const size_t rank_, width_;
    std::vector<int32_t> place_;  // of a coordinate among the entries
    std::vector<size_t> active_;
    std::vector<T> d_, curvature_;
    Aligned<T> rows_, signs_, sums_;
    std::vector<T> in_block_;  // the matrix times d
};
