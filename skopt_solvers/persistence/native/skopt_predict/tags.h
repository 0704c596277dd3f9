// Labels sentences as a linear-chain CRF does.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "skopt_predict/model_file.h"
#include "skopt_predict/unicode.h"

namespace skopt {
namespace detail {

// The features of the tokens of a sentence, as TokenFeatures makes them.
class TokenFeatures {
public:
    using Tokens = std::vector<std::vector<std::string>>;

    explicit TokenFeatures(const File& file)
        : characters_(file), lowercase_(file.integer("lowercase")), shape_(file.integer("shape")),
          flags_(file.integer("flags")), boundaries_(file.integer("boundaries")), bias_(file.integer("bias")),
          n_columns_(size_t(file.integer("n_token_columns"))), prefixes_(file.integers("prefixes")),
          suffixes_(file.integers("suffixes")), window_(file.integers("window")),
          affix_window_(file.integers("affix_window")), bigrams_(file.integers("bigrams")),
          others_(file.integers("other_columns")), column_prefixes_(file.integers("column_prefixes")) {
        require(bigrams_.size() % 2 == 0, "bigrams");
        for (int32_t i : others_) require(i > 0 && size_t(i) < n_columns_, "other_columns");
    }

    // Calls found(t, name) for each feature of each token t.
    template <class F>
    void operator()(const Tokens& tokens, F found) const {
        std::vector<Value> words;
        for (const auto& token : tokens) {
            if (token.size() != n_columns_)
                throw std::invalid_argument("tokens must have " + std::to_string(n_columns_) +
                                            " columns as those of fit, got " + std::to_string(token.size()));
            words.push_back(word(decoded(token[0])));
        }
        look("word", words, found);
        for (int32_t i : others_) {
            std::vector<Value> values;
            for (const auto& token : tokens) {
                values.push_back({token[size_t(i)], {"=" + token[size_t(i)]}, {}});
                affixes(":prefix", decoded(token[size_t(i)]), column_prefixes_, values.back().in_window);
            }
            look("column" + std::to_string(i), values, found);
        }
        for (size_t t = 0; t < tokens.size(); ++t) {
            if (bias_) found(t, "bias");
            for (int32_t offset : window_)
                if (boundaries_ && offset && place(t, offset, tokens.size()) == kNone)
                    found(t, (offset < 0 ? "BOS[" : "EOS[") + std::to_string(offset) + "]");
        }
    }

private:
    static constexpr size_t kNone = size_t(-1);
    struct Value {
        std::string spelt;
        std::vector<std::string> in_window, in_affix_window;  // the ends of the names of its features
    };

    Characters characters_;
    bool lowercase_, shape_, flags_, boundaries_, bias_;
    size_t n_columns_;
    std::vector<int32_t> prefixes_, suffixes_, window_, affix_window_, bigrams_, others_, column_prefixes_;

    static size_t place(size_t t, int32_t offset, size_t n) {
        int64_t at = int64_t(t) + offset;
        return at < 0 || at >= int64_t(n) ? kNone : size_t(at);
    }

    template <class F>
    void look(const std::string& label, const std::vector<Value>& values, F found) const {
        const auto at = [&](int32_t offset) { return label + "[" + std::to_string(offset) + "]"; };
        for (size_t t = 0; t < values.size(); ++t) {
            const auto each = [&](const std::vector<int32_t>& window, std::vector<std::string> Value::* ends) {
                for (int32_t offset : window)
                    if (size_t i = place(t, offset, values.size()); i != kNone)
                        for (const auto& end : values[i].*ends) found(t, at(offset) + end);
            };
            each(window_, &Value::in_window);
            each(affix_window_, &Value::in_affix_window);
            for (size_t p = 0; p < bigrams_.size(); p += 2) {
                size_t i = place(t, bigrams_[p], values.size()), j = place(t, bigrams_[p + 1], values.size());
                if (i != kNone && j != kNone)
                    found(t,
                          at(bigrams_[p]) + "|" + at(bigrams_[p + 1]) + "=" + values[i].spelt + "|" + values[j].spelt);
            }
        }
    }

    Value word(const std::u32string& text) const {
        std::u32string spelt = lowercase_ ? characters_.lower(text) : text;
        Value value{encoded(spelt), {"=" + encoded(spelt)}, {}};
        if (flags_) add_flags(text, value.in_window);
        affixes(":prefix", spelt, prefixes_, value.in_affix_window);
        affixes(":suffix", spelt, suffixes_, value.in_affix_window);
        if (!shape_) return value;
        std::u32string shape;
        for (char32_t c : text) {
            using C = Characters;
            char32_t kind = characters_.is(c, C::kUpper)   ? U'X'
                            : characters_.is(c, C::kAlpha) ? U'x'
                            : characters_.is(c, C::kDigit) ? U'd'
                                                           : c;
            if (shape.empty() || shape.back() != kind) shape += kind;
        }
        value.in_affix_window.push_back(":shape=" + encoded(shape));
        return value;
    }

    // As str.isupper, str.istitle and str.isdigit say it.
    void add_flags(const std::u32string& text, std::vector<std::string>& out) const {
        bool upper = false, other = false, title = false, untitled = false, digit = false, no_digit = false;
        bool after_cased = false;
        for (char32_t c : text) {
            bool capital = characters_.is(c, Characters::kUpper | Characters::kTitle);
            bool small = characters_.is(c, Characters::kLower), is_digit = characters_.is(c, Characters::kDigit);
            upper |= characters_.is(c, Characters::kUpper);
            other |= small || characters_.is(c, Characters::kTitle);
            untitled |= (capital && after_cased) || (small && !after_cased);
            title |= capital || small;
            after_cased = capital || small;
            (is_digit ? digit : no_digit) = true;
        }
        if (upper && !other) out.push_back(":isupper");
        if (title && !untitled) out.push_back(":istitle");
        if (digit && !no_digit) out.push_back(":isdigit");
        if (digit) out.push_back(":hasdigit");
        if (text.find(U'-') != text.npos) out.push_back(":hashyphen");
    }

    static void affixes(const std::string& kind, std::u32string_view text, const std::vector<int32_t>& sizes,
                        std::vector<std::string>& out) {
        for (int32_t n : sizes) {
            if (text.size() < size_t(n)) continue;
            auto part = kind == ":prefix" ? text.substr(0, size_t(n)) : text.substr(text.size() - size_t(n));
            out.push_back(kind + std::to_string(n) + "=" + encoded(part));
        }
    }
};

}  // namespace detail

// A linear-chain CRF, with the features of its tokens.
class Tagger {
public:
    using Item = std::vector<std::pair<std::string, double>>;

    explicit Tagger(const std::string& path) : Tagger(detail::of_kind(path, "tags")) {}

    const std::vector<std::string>& classes() const { return classes_; }

    // The labels of a sentence, for a model with TokenFeatures; each token is its columns, the word first.
    std::vector<std::string> predict(const detail::TokenFeatures::Tokens& tokens) const {
        if (tokens_.empty()) throw std::invalid_argument("this model reads features: call predict_items");
        std::vector<double> scores(tokens.size() * K());
        tokens_[0](tokens, [&](size_t t, const std::string& name) { add(name, 1, &scores[t * K()]); });
        return best_path(std::move(scores));
    }

    // The labels of a sentence, for a model with DictFeatures; each token is the names of its features, word:dog say,
    // and their values.
    std::vector<std::string> predict_items(const std::vector<Item>& items) const {
        if (!tokens_.empty()) throw std::invalid_argument("this model reads tokens: call predict");
        std::vector<double> scores(items.size() * K());
        for (size_t t = 0; t < items.size(); ++t)
            for (const auto& [name, value] : items[t]) add(name, value, &scores[t * K()]);
        return best_path(std::move(scores));
    }

private:
    detail::Weights weights_;
    std::vector<detail::TokenFeatures> tokens_;  // one, or none
    std::vector<std::string> classes_;
    std::vector<double> start_, end_, transitions_;

    explicit Tagger(const detail::File& file)
        : weights_(file), classes_(file.strings("classes")), start_(file.reals("start")), end_(file.reals("end")),
          transitions_(file.reals("transitions")) {
        detail::require(K() == classes_.size() && K() == start_.size() && K() == end_.size(), "classes");
        detail::require(transitions_.size() == K() * K(), "transitions");
        if (file.has("n_token_columns")) tokens_.emplace_back(file);
    }

    size_t K() const { return weights_.offsets().size(); }

    void add(const std::string& name, double value, double* scores) const {
        if (int32_t column = weights_.column(name); column >= 0) weights_.add(column, value, scores);
    }

    // Viterbi (1967).
    std::vector<std::string> best_path(std::vector<double> best) const {
        const size_t n = best.size() / K();
        std::vector<size_t> from(best.size());
        for (size_t k = 0; n && k < K(); ++k) best[k] += start_[k];
        for (size_t t = 1; t < n; ++t)
            for (size_t k = 0; k < K(); ++k) {
                const double* before = &best[(t - 1) * K()];
                size_t& i = from[t * K() + k];
                for (size_t j = 1; j < K(); ++j)
                    if (before[j] + transitions_[j * K() + k] > before[i] + transitions_[i * K() + k]) i = j;
                best[t * K() + k] += before[i] + transitions_[i * K() + k];
            }
        std::vector<std::string> labels(n);
        if (!n) return labels;
        size_t k = 0;
        double* last = &best[(n - 1) * K()];
        for (size_t j = 0; j < K(); ++j) last[j] += end_[j];
        k = size_t(std::max_element(last, last + K()) - last);
        if (!(last[k] > -std::numeric_limits<double>::infinity()))
            throw std::runtime_error("the constraints of the model leave a sequence no labels");
        for (size_t t = n; t-- > 0; k = from[t * K() + k]) labels[t] = classes_[k];
        return labels;
    }
};

}  // namespace skopt
