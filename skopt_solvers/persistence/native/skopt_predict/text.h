// Classifies text as a vectorizer and a linear classifier do.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "skopt_predict/model_file.h"
#include "skopt_predict/unicode.h"

namespace skopt {
namespace detail {

// The terms of a document, as a vectorizer of scikit-learn finds them.
class Analyzer {
public:
    explicit Analyzer(const File& file)
        : characters_(file), units_(file.text("analyzer")), lowercase_(file.integer("lowercase")),
          least_(size_t(file.integer("min_length"))), low_(size_t(file.integer("ngram_low"))),
          high_(size_t(file.integer("ngram_high"))) {
        require(least_ && low_ && low_ <= high_, "ngram_low");
        for (auto& word : file.strings("stop_words")) stop_words_.insert(std::move(word));
    }

    // Calls found(term) for each term, in UTF-8.
    template <class F>
    void operator()(std::string_view document, F found) const {
        std::u32string text = decoded(document);
        if (lowercase_) text = characters_.lower(text);
        if (units_ == "word") {
            word_ngrams(text, found);
        } else if (units_ == "char") {
            std::u32string single = with_single_spaces(text);
            for (size_t n = low_; n <= std::min(high_, single.size()); ++n) windows(single, n, found);
        } else {
            each_run(text, Characters::kSpace, false, [&](std::u32string_view word) {
                std::u32string padded = U' ' + std::u32string(word) + U' ';
                for (size_t n = low_; n <= high_; ++n) {
                    windows(padded, n, found);
                    if (n >= padded.size()) break;
                }
            });
        }
    }

private:
    Characters characters_;
    std::string units_;
    bool lowercase_;
    size_t least_, low_, high_;
    std::unordered_set<std::string> stop_words_;

    template <class F>
    void each_run(std::u32string_view text, int facts, bool wanted, F found) const {
        for (size_t i = 0, begin = 0; i <= text.size(); ++i) {
            if (i < text.size() && characters_.is(text[i], facts) == wanted) continue;
            if (i > begin) found(text.substr(begin, i - begin));
            begin = i + 1;
        }
    }

    template <class F>
    void word_ngrams(std::u32string_view text, F found) const {
        std::vector<std::string> words;
        each_run(text, Characters::kToken, true, [&](std::u32string_view word) {
            if (word.size() < least_) return;
            words.push_back(encoded(word));
            if (stop_words_.count(words.back())) words.pop_back();
        });
        for (size_t i = 0; i < words.size(); ++i) {
            std::string term;
            for (size_t n = 1; n <= std::min(high_, words.size() - i); ++n) {
                term += (n > 1 ? " " : "") + words[i + n - 1];
                if (n >= low_) found(term);
            }
        }
    }

    std::u32string with_single_spaces(std::u32string_view text) const {
        std::u32string out;
        for (size_t i = 0, end = 0; i < text.size(); i = end) {
            for (end = i; end < text.size() && characters_.is(text[end], Characters::kSpace);) ++end;
            if (end == i) ++end;
            out += end - i > 1 ? U' ' : text[i];
        }
        return out;
    }

    template <class F>
    static void windows(std::u32string_view text, size_t n, F found) {
        for (size_t i = 0; i == 0 || i + n <= text.size(); ++i) found(encoded(text.substr(i, n)));
    }
};

}  // namespace detail

// A vectorizer of text and a linear classifier.
class TextClassifier {
public:
    explicit TextClassifier(const std::string& path) : TextClassifier(detail::of_kind(path, "text")) {}

    // The labels; those that are no strings as str() writes them.
    const std::vector<std::string>& classes() const { return classes_; }

    // A score for each class, and one alone where there are two.
    std::vector<double> decision_function(std::string_view document) const {
        std::vector<double> scores = weights_.offsets();
        for (auto [column, value] : row(document)) weights_.add(column, value, scores.data());
        return scores;
    }

    const std::string& predict(std::string_view document) const {
        auto scores = decision_function(document);
        if (scores.size() == 1) return classes_[scores[0] > 0];
        return classes_[size_t(std::max_element(scores.begin(), scores.end()) - scores.begin())];
    }

    // The probabilities of the classes, of a LogisticRegression.
    std::vector<double> predict_proba(std::string_view document) const {
        if (probabilities_.empty()) throw std::invalid_argument("this model has no probabilities");
        auto z = decision_function(document);
        const auto log_sigmoid = [](double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); };
        if (z.size() == 1) return {std::exp(log_sigmoid(-z[0])), std::exp(log_sigmoid(z[0]))};
        if (probabilities_ == "ovr") std::transform(z.begin(), z.end(), z.begin(), log_sigmoid);
        double top = *std::max_element(z.begin(), z.end()), sum = 0;
        for (double& x : z) sum += x = std::exp(x - top);
        for (double& x : z) x /= sum;
        return z;
    }

private:
    detail::Weights weights_;
    detail::Analyzer terms_;
    std::vector<std::string> classes_;
    std::string probabilities_, norm_;
    bool binary_, signs_, sublinear_;
    std::vector<double> idf_;

    explicit TextClassifier(const detail::File& file)
        : weights_(file), terms_(file), classes_(file.strings("classes")), probabilities_(file.text("probabilities")),
          norm_(file.text("norm")), binary_(file.integer("binary")), signs_(file.integer("alternate_sign")),
          sublinear_(file.integer("sublinear_tf")), idf_(file.reals("idf")) {
        size_t K = weights_.offsets().size();
        detail::require(classes_.size() == (K == 1 ? 2 : K), "classes");
        detail::require(idf_.empty() || idf_.size() == weights_.size(), "idf");
    }

    std::vector<std::pair<int32_t, double>> row(std::string_view document) const {
        std::vector<std::pair<int32_t, double>> terms, out;
        terms_(document, [&](const std::string& term) {
            double sign = 1;
            int32_t column = weights_.column(term, &sign);
            if (column >= 0) terms.emplace_back(column, signs_ ? sign : 1);
        });
        std::sort(terms.begin(), terms.end());
        for (auto [column, sign] : terms) {
            if (out.empty() || out.back().first != column) out.emplace_back(column, 0);
            out.back().second += sign;
        }
        double total = 0;
        for (auto& [column, value] : out) {
            if (binary_) value = 1;
            if (sublinear_) value = std::log(value) + 1;
            if (!idf_.empty()) value *= idf_[size_t(column)];
            total += norm_ == "l1" ? std::abs(value) : value * value;
        }
        if (!norm_.empty() && total > 0)
            for (auto& entry : out) entry.second /= norm_ == "l1" ? total : std::sqrt(total);
        return out;
    }
};

}  // namespace skopt
