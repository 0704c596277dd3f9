// The probabilities of spans, such as entities, that labels spell together.
//
// Given x, the labels are a Markov chain whose steps are
//   P(y_t = j | y_{t-1} = i) = exp(log[i, j] + w_t[j] - beta_{t-1}[i]),   w_t[j] = z_t[j] + beta_t[j],
// beta being the backward values in logarithms. The probability of a span is that of its steps with all others left
// out. It is a sum of products of probabilities, so that nothing leaves the range of double but what is 0 for users.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "chain/transitions.hpp"

// Says which labels spell a span. It ends before the first label that does not continue it, or with its sequence.
struct SpanRules {
    size_t K;
    const uint8_t* starts;     // (K + 1) x K: from a label, or the place before the first one, to another
    const uint8_t* continues;  // K x K
    std::vector<std::vector<int32_t>> labels;  // of each kind of span; labels of a span are of one kind
    const int32_t* kinds;                      // of a label, -1 for none

    bool start(const int32_t* y, size_t t) const { return starts[(t ? y[t - 1] : K) * K + y[t]]; }
    bool go_on(int32_t from, int32_t to) const { return continues[from * K + to]; }
};

struct Span {
    int64_t begin, end;
    int32_t kind;
    double probability;
};

// The exponentials of transitions, in double.
class SpanSteps {
public:
    template <class T>
    explicit SpanSteps(const Transitions<T>& chain) : SpanSteps(chain, chain.log.data(), chain.shift) {}

    // Of other scores of pairs, in rows as the chain's are.
    template <class T>
    SpanSteps(const Transitions<T>& chain, const T* scores, double shift)
        : K(chain.K), M(K * K), Mt(K * K), log(K * K), shift(shift) {
        for (size_t i = 0; i < K; ++i)
            for (size_t j = 0; j < K; ++j) {
                log[i * K + j] = scores[i * chain.width + j];
                M[i * K + j] = Mt[j * K + i] = std::exp(log[i * K + j] - shift);
            }
    }

    size_t K;
    std::vector<double> M, Mt, log;
    double shift;
};

class SpanLattice {
public:
    // Computes the steps of a sequence with scores z (n x width). It returns false where no path is allowed. `own` are
    // the scores of pairs at each token, null where they are those of the chain.
    template <class T>
    bool read(const SpanSteps& steps, const Transitions<T>& chain, const T* z, size_t n, const int32_t* fixed,
              const PairScores<T>* own) {
        n_ = n, K_ = steps.K;
        list_steps(steps, chain, own);
        for (auto* table : {&w_, &E_, &S_, &beta_, &P_})
            if (table->size() < n * K_) table->resize(n * K_);
        terms_.resize(K_);
        for (size_t k = 0; k < K_; ++k) beta_[(n - 1) * K_ + k] = chain.log_end[k];
        for (size_t t = n; t-- > 0;) {
            double* w = &w_[t * K_];
            for (size_t k = 0; k < K_; ++k) {
                bool possible = !fixed || fixed[t] == kAnyLabel || fixed[t] == static_cast<int32_t>(k);
                w[k] = possible ? z[t * chain.width + k] + beta_[t * K_ + k] : kNever;
            }
            double top = *std::max_element(w, w + K_);
            if (!(top > kNever)) return false;
            for (size_t k = 0; k < K_; ++k) w[k] -= top, E_[t * K_ + k] = std::exp(w[k]);
            if (t) step_back(t);
        }
        return step_forward(chain);
    }

    double probability(const SpanRules& rules, size_t begin, size_t end, int32_t kind) {
        open(rules, begin, kind);
        for (size_t t = begin + 1; t < end; ++t) go_on(rules, t, kind);
        return closed(rules, end, kind);
    }

    // Calls found for each span of at least such a probability.
    template <class F>
    void each_likely(const SpanRules& rules, double least, F found) {
        for (size_t begin = 0; begin < n_; ++begin)
            for (size_t kind = 0; kind < rules.labels.size(); ++kind) {
                double most = 0;  // of any span of the kind that holds the token
                for (int32_t k : rules.labels[kind]) most += P_[begin * K_ + k];
                if (most * (1 + kRounding) < least) continue;
                open(rules, begin, kind);
                for (size_t end = begin + 1;; ++end) {
                    double still = 0;
                    for (double p : open_) still += p;
                    if (still * (1 + kRounding) < least) break;
                    double p = closed(rules, end, kind);
                    if (p >= least) found(Span{int64_t(begin), int64_t(end), int32_t(kind), p});
                    if (end == n_) break;
                    go_on(rules, end, kind);
                }
            }
    }

private:
    static constexpr double kNever = -std::numeric_limits<double>::infinity();
    static constexpr double kRounding = 1e-9;
    static constexpr double kSmall = 1e-200;  // what has underflowed beside it is below its digits

    // Sets steps_ at each token. Those of the same scores are made once.
    template <class T>
    void list_steps(const SpanSteps& steps, const Transitions<T>& chain, const PairScores<T>* own) {
        steps_.assign(n_, &steps);
        own_.clear();
        for (size_t t = 1; own && t < n_; ++t)
            if (own[t].log != chain.log.data())
                steps_[t] = &own_.try_emplace(own[t].log, chain, own[t].log, own[t].shift).first->second;
    }

    // Computes beta_{t-1} and S_t, the sums of exp(log - shift + w_t) a label before, which is 0 where it is too small.
    void step_back(size_t t) {
        const double *w = &w_[t * K_], *E = &E_[t * K_];
        double *S = &S_[t * K_], *before = &beta_[(t - 1) * K_];
        std::fill(S, S + K_, 0.0);
        for (size_t j = 0; j < K_; ++j) {
            const double *Mt = &steps_[t]->Mt[j * K_], e = E[j];
            for (size_t i = 0; i < K_; ++i) S[i] += e * Mt[i];
        }
        for (size_t i = 0; i < K_; ++i) {
            if (S[i] >= kSmall) {
                before[i] = std::log(S[i]) + steps_[t]->shift;
                continue;
            }
            S[i] = 0;
            for (size_t j = 0; j < K_; ++j) terms_[j] = steps_[t]->log[i * K_ + j] + w[j];
            before[i] = log_sum();
        }
    }

    // Computes P_, the probability of each label at each token.
    template <class T>
    bool step_forward(const Transitions<T>& chain) {
        for (size_t k = 0; k < K_; ++k) terms_[k] = chain.log_start[k] + w_[k];
        double all = log_sum();
        if (!(all > kNever)) return false;
        for (size_t k = 0; k < K_; ++k) P_[k] = std::exp(terms_[k] - all);
        for (size_t t = 1; t < n_; ++t) {
            const double *before = &P_[(t - 1) * K_], *S = &S_[t * K_], *E = &E_[t * K_];
            double* here = &P_[t * K_];
            std::fill(here, here + K_, 0.0);
            for (size_t i = 0; i < K_; ++i) {
                if (S[i] == 0) continue;
                const double *M = &steps_[t]->M[i * K_], scale = before[i] / S[i];
                for (size_t j = 0; j < K_; ++j) here[j] += scale * M[j];
            }
            for (size_t j = 0; j < K_; ++j) here[j] *= E[j];
            for (size_t i = 0; i < K_; ++i)
                if (S[i] == 0 && before[i] > 0)
                    for (size_t j = 0; j < K_; ++j) here[j] += before[i] * step(t, i, j);
        }
        return true;
    }

    double log_sum() const {
        double top = *std::max_element(terms_.begin(), terms_.end()), sum = 0;
        if (!(top > kNever)) return top;
        for (double term : terms_) sum += std::exp(term - top);
        return top + std::log(sum);
    }

    // Returns P(y_t = j | y_{t-1} = i), 0 where i leads nowhere.
    double step(size_t t, size_t i, size_t j) const {
        double sum = S_[t * K_ + i], before = beta_[(t - 1) * K_ + i];
        if (sum > 0) return steps_[t]->M[i * K_ + j] * E_[t * K_ + j] / sum;
        return before > kNever ? std::exp(steps_[t]->log[i * K_ + j] + w_[t * K_ + j] - before) : 0.0;
    }

    // Sets open_, for each label of the kind, to the probability that a span begins at t with it.
    void open(const SpanRules& rules, size_t t, int32_t kind) {
        const auto& labels = rules.labels[kind];
        open_.assign(labels.size(), 0.0);
        for (size_t a = 0; a < labels.size(); ++a) {
            size_t j = labels[a];
            if (!t) {
                if (rules.starts[K_ * K_ + j]) open_[a] = P_[j];
                continue;
            }
            for (size_t i = 0; i < K_; ++i)
                if (rules.starts[i * K_ + j] && P_[(t - 1) * K_ + i] > 0)
                    open_[a] += P_[(t - 1) * K_ + i] * step(t, i, j);
        }
    }

    // Changes open_ to the probability that the span goes on with each label at t.
    void go_on(const SpanRules& rules, size_t t, int32_t kind) {
        const auto& labels = rules.labels[kind];
        before_.swap(open_);
        open_.assign(labels.size(), 0.0);
        for (size_t a = 0; a < labels.size(); ++a)
            for (size_t b = 0; b < labels.size(); ++b)
                if (before_[a] > 0 && rules.go_on(labels[a], labels[b]))
                    open_[b] += before_[a] * step(t, labels[a], labels[b]);
    }

    // Returns the probability that the span is over before t.
    double closed(const SpanRules& rules, size_t t, int32_t kind) const {
        const auto& labels = rules.labels[kind];
        double sum = 0;
        for (size_t a = 0; a < labels.size(); ++a) {
            double over = t == n_;
            for (size_t j = 0; t < n_ && open_[a] > 0 && j < K_; ++j)
                if (!rules.go_on(labels[a], static_cast<int32_t>(j))) over += step(t, labels[a], j);
            sum += open_[a] * over;
        }
        return std::min(sum, 1.0);
    }

    std::vector<const SpanSteps*> steps_;  // at each token
    std::unordered_map<const void*, SpanSteps> own_;
    size_t n_ = 0, K_ = 0;
    std::vector<double> w_, E_, S_, beta_, P_;  // n x K; w_ less its largest entry, and E_ its exponentials
    std::vector<double> terms_, open_, before_;
};
