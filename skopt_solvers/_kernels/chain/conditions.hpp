// Transitions that depend on the observation: chosen features of a token add to the scores of the pairs of labels that
// end at it, log_t[i, j] = log[i, j] + sum_f x_tf B[f, i, j].
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/csr.hpp"
#include "chain/transitions.hpp"

// Lists the triples (feature, from, to) that have a weight.
struct Triples {
    const int32_t* slot = nullptr;   // of a column of X: its place q among the chosen features, or -1
    const int64_t* first = nullptr;  // triples [first[q], first[q + 1]) are of feature q
    const int32_t* pair = nullptr;   // K from + to
    size_t n_features = 0, n = 0;

    bool any() const { return n > 0; }
};

// Knows which tokens of a data set have such features. Tokens that have the same ones with the same values are of one
// pattern. A sequence's first token has none, as no pair ends at it.
template <class T>
class Conditions {
public:
    template <class I>
    Conditions(const Csr<T, I>& X, const int64_t* offsets, size_t n_sequences, const Triples& triples, size_t K,
               size_t width)
        : K_(K), width_(width), triples_(triples) {
        if (!triples.any()) return;
        place_.reserve(triples.n);
        for (size_t p = 0, padding = 0, end = 0; p < triples.n; ++p) {
            const auto pair = static_cast<size_t>(triples.pair[p]);
            if (pair >= end || pair + K < end) padding = pair / K * (width - K), end = (pair / K + 1) * K;
            place_.push_back(static_cast<uint32_t>(pair + padding));
        }
        pattern_.assign(X.n_rows, kNone);
        std::unordered_map<std::vector<Feature>, int32_t, Hash> numbers;
        std::vector<Feature> found;
        for (size_t s = 0; s < n_sequences; ++s)
            for (int64_t i = offsets[s] + 1; i < offsets[s + 1]; ++i) {
                found.clear();
                for (size_t p = X.indptr[i]; p < static_cast<size_t>(X.indptr[i + 1]); ++p) {
                    const int32_t q = triples.slot[X.indices[p]];
                    if (q >= 0 && triples.first[q] < triples.first[q + 1]) found.push_back({q, X.data[p]});
                }
                if (found.empty()) continue;
                auto [at, fresh] = numbers.try_emplace(found, static_cast<int32_t>(first_.size() - 1));
                pattern_[i] = at->second;
                if (!fresh) continue;
                features_.insert(features_.end(), found.begin(), found.end());
                first_.push_back(features_.size());
            }
    }

    bool any() const { return triples_.any(); }
    size_t n_patterns() const { return first_.size() - 1; }
    bool has(size_t token) const { return pattern_[token] != kNone; }
    int32_t pattern(size_t token) const { return pattern_[token]; }

    bool any_of(size_t begin, size_t end) const {
        auto is_one = [](int32_t pattern) { return pattern != kNone; };
        return any() && std::any_of(pattern_.begin() + begin, pattern_.begin() + end, is_one);
    }

    size_t bytes() const {
        return 4 * (place_.size() + pattern_.size()) + 8 * first_.size() + sizeof(Feature) * features_.size();
    }

    // Tells whether the pairs of each pattern are added up in a matrix of its own: where patterns are few.
    bool grouped() const {
        const size_t n = n_patterns();
        return any() && 8 * n <= pattern_.size() && 8 * n * K_ * width_ <= kGroupBytes;
    }

    // Adds what the features of a pattern add to the scores of pairs, whose rows are `width` apart.
    void add_scores(int32_t pattern, const T* weights, T* log) const {
        each(pattern, 0, 1, [&](int32_t q, T x) {
            for (auto p = triples_.first[q]; p < triples_.first[q + 1]; ++p) log[place_[p]] += x * weights[p];
        });
    }

    // Adds the gradient with respect to the scores of pairs to that of the weights, for the features of a pattern that
    // thread t of n has.
    template <class P>
    void add_gradient(int32_t pattern, const P* pairs, int t, int n, double* gradient) const {
        each(pattern, t, n, [&](int32_t q, T x) {
            const int64_t first = triples_.first[q], last = triples_.first[q + 1];
            if (static_cast<size_t>(last - first) == K_ * K_) {
                double* g = gradient + first;
                for (size_t i = 0; i < K_; ++i, g += K_)
                    for (size_t j = 0; j < K_; ++j) g[j] += static_cast<double>(x) * pairs[i * width_ + j];
            } else {
                for (int64_t p = first; p < last; ++p) gradient[p] += static_cast<double>(x) * pairs[place_[p]];
            }
        });
    }

    // Adds `value` to the gradient of the weights of a token's features and a pair of labels.
    void add_label(size_t token, int32_t before, int32_t label, double value, double* gradient) const {
        const auto pair = static_cast<int32_t>(static_cast<size_t>(before) * K_) + label;
        each(pattern_[token], 0, 1, [&](int32_t q, T x) {
            const int32_t *first = triples_.pair + triples_.first[q], *last = triples_.pair + triples_.first[q + 1];
            const int32_t* at = std::lower_bound(first, last, pair);
            if (at != last && *at == pair) gradient[at - triples_.pair] += value * x;
        });
    }

    // Adds omega x^2 of a token to `square` of its features.
    void add_squares(size_t token, double omega, double* square) const {
        for (size_t f = first_[pattern_[token]]; f < first_[pattern_[token] + 1]; ++f)
            square[features_[f].q] += omega * features_[f].x * features_[f].x;
    }

private:
    static constexpr int32_t kNone = -1;
    static constexpr size_t kGroupBytes = size_t(1) << 26;

    struct Feature {
        int32_t q;
        T x;
        bool operator==(const Feature& other) const { return q == other.q && x == other.x; }
    };

    struct Hash {
        size_t operator()(const std::vector<Feature>& features) const {
            size_t hash = 0xcbf29ce484222325ull;
            for (const Feature& f : features) {
                hash = (hash ^ static_cast<size_t>(f.q)) * 0x100000001b3ull;
                hash = (hash ^ std::hash<T>()(f.x)) * 0x100000001b3ull;
            }
            return hash;
        }
    };

    template <class F>
    void each(int32_t pattern, int t, int n, F f) const {
        for (size_t k = first_[pattern]; k < first_[pattern + 1]; ++k) {
            const Feature& feature = features_[k];
            if (feature.q % n == t) f(feature.q, feature.x);
        }
    }

    size_t K_, width_;
    Triples triples_;
    std::vector<uint32_t> place_;   // of a triple in rows of pairs
    std::vector<int32_t> pattern_;  // of a token
    std::vector<size_t> first_{0};  // features [first_[r], first_[r + 1]) are of pattern r
    std::vector<Feature> features_;
};

// Keeps the scores of pairs of the patterns that a thread has met, until the weights change or it is full.
template <class T>
class PairScoresCache {
public:
    static constexpr size_t kBytes = size_t(1) << 22;  // what it may take, unless one sequence needs more

    // Returns the most that it takes for sequences of `n` tokens at most.
    static size_t most_bytes(const Conditions<T>& conditions, size_t n, size_t matrix) {
        const size_t kept = std::min(conditions.n_patterns(), std::max(n, kBytes / (3 * matrix * sizeof(T))));
        return 4 * conditions.n_patterns() + kept * (3 * matrix * sizeof(T) + sizeof(Kept)) + n * sizeof(PairScores<T>);
    }

    // Returns the scores at tokens [begin, begin + n), a sequence, or null where they are the chain's at all of them.
    // They are valid until the next call.
    const PairScores<T>* of(const Conditions<T>& conditions, const Transitions<T>& chain, size_t begin, size_t n) {
        if (!conditions.any_of(begin, begin + n)) return nullptr;
        const size_t size = chain.K * chain.width;
        if (place_.size() != conditions.n_patterns()) place_.assign(conditions.n_patterns(), kNone), kept_.clear();
        if (version_ != chain.version || kept_.size() + n > std::max(n, kBytes / (3 * size * sizeof(T)))) forget();
        version_ = chain.version;
        steps_.assign(n, {chain.log.data(), chain.M.data(), chain.Mt.data(), chain.shift, chain.spread});
        for (size_t t = 1; t < n; ++t)
            if (conditions.has(begin + t)) steps_[t] = scores(conditions, chain, conditions.pattern(begin + t));
        return steps_.data();
    }

private:
    static constexpr int32_t kNone = -1;

    struct Kept {
        int32_t pattern;
        PairScores<T> scores;
    };

    void forget() {
        for (const Kept& kept : kept_) place_[kept.pattern] = kNone;
        kept_.clear();
    }

    const PairScores<T>& scores(const Conditions<T>& conditions, const Transitions<T>& chain, int32_t pattern) {
        if (place_[pattern] != kNone) return kept_[place_[pattern]].scores;
        const size_t k = kept_.size(), size = chain.K * chain.width;
        if (memory_.size() == k) memory_.emplace_back(3 * size, T(0));
        T* log = memory_[k].data();
        std::copy(chain.log.begin(), chain.log.end(), log);
        conditions.add_scores(pattern, chain.triples, log);
        place_[pattern] = static_cast<int32_t>(k);
        kept_.push_back({pattern, chain.pairs(log, log + size, log + 2 * size)});
        return kept_.back().scores;
    }

    size_t version_ = 0;
    std::vector<int32_t> place_;  // of a pattern among those that are kept
    std::vector<Kept> kept_;
    std::vector<Aligned<T>> memory_;  // one of each that is kept; its address stays
    std::vector<PairScores<T>> steps_;
};
