// Reads the files that skopt_solvers.persistence.save_native writes, and the weights in them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace skopt {
namespace detail {

inline void require(bool right, const char* what) {
    if (!right) throw std::runtime_error(std::string("the model file is damaged: ") + what);
}

// The arrays of a file by their names: the length and bytes of each name, a letter for the type, and the size and
// bytes of what it holds. Numbers are little-endian.
class File {
public:
    explicit File(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        if (!in) throw std::runtime_error("cannot read " + path);
        bytes_.assign(std::istreambuf_iterator<char>(in), {});
        constexpr std::string_view magic = "skopt_solvers native 1\n";
        if (std::string_view(bytes_.data(), std::min(bytes_.size(), magic.size())) != magic)
            throw std::runtime_error(path + " is no file of save_native that this header reads");
        for (size_t at = magic.size(); at < bytes_.size();) {
            std::string_view name = taken(at, size(at)), type = taken(at, 1);
            arrays_[std::string(name)] = {type[0], taken(at, size(at))};
        }
    }

    File(File&&) = default;  // and no copy: the arrays point into the bytes

    bool has(const std::string& name) const { return arrays_.count(name) > 0; }
    std::string text(const std::string& name) const { return std::string(bytes(name, 's')); }
    std::vector<int32_t> integers(const std::string& name) const { return copied<int32_t>(name, 'i'); }
    int32_t integer(const std::string& name) const {
        auto values = integers(name);
        require(values.size() == 1, name.c_str());
        return values[0];
    }
    std::vector<double> reals(const std::string& name) const {
        if (!has(name) || arrays_.at(name).first == 'd') return copied<double>(name, 'd');
        auto values = copied<float>(name, 'f');
        return {values.begin(), values.end()};
    }
    std::vector<std::string> strings(const std::string& name) const {
        std::vector<std::string> out;
        std::string_view rest = bytes(name, 's');
        for (int32_t length : integers(name + ".lengths")) {
            require(length >= 0 && size_t(length) <= rest.size(), name.c_str());
            out.emplace_back(rest.substr(0, length));
            rest.remove_prefix(length);
        }
        return out;
    }

private:
    std::vector<char> bytes_;
    std::map<std::string, std::pair<char, std::string_view>> arrays_;

    std::string_view taken(size_t& at, uint64_t n) const {
        require(n <= bytes_.size() - at, "its end is missing");
        at += n;
        return {bytes_.data() + at - n, size_t(n)};
    }
    uint64_t size(size_t& at) const {
        uint64_t n = 0;
        std::string_view bytes = taken(at, 8);
        for (size_t i = 8; i-- > 0;) n = n << 8 | uint8_t(bytes[i]);
        return n;
    }
    std::string_view bytes(const std::string& name, char type) const {
        auto found = arrays_.find(name);
        require(found != arrays_.end() && found->second.first == type, name.c_str());
        return found->second.second;
    }
    template <class T>
    std::vector<T> copied(const std::string& name, char type) const {
        std::string_view from = bytes(name, type);
        require(from.size() % sizeof(T) == 0, name.c_str());
        std::vector<T> out(from.size() / sizeof(T));
        if (!out.empty()) std::memcpy(out.data(), from.data(), from.size());
        return out;
    }
};

// MurmurHash3_x86_32 with seed 0 (Austin Appleby, public domain).
inline uint32_t murmur3(std::string_view text) {
    const auto rotated = [](uint32_t x, int r) { return x << r | x >> (32 - r); };
    const auto mixed = [&](uint32_t k) { return rotated(k * 0xCC9E2D51u, 15) * 0x1B873593u; };
    uint32_t h = 0, k = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        k |= uint32_t(uint8_t(text[i])) << 8 * (i % 4);
        if (i % 4 < 3 && i + 1 < text.size()) continue;
        h ^= mixed(k);
        if (i % 4 == 3) h = rotated(h, 13) * 5 + 0xE6546B64u;
        k = 0;
    }
    h ^= uint32_t(text.size());
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

// The columns of features, and the weights that each has for the outputs.
class Weights {
public:
    explicit Weights(const File& file)
        : values_(file.reals("weights")), offsets_(file.reals("intercept")), n_hashed_(file.integer("n_hashed")) {
        size_t place = 0;
        require(n_hashed_ >= 0 && !offsets_.empty(), "n_hashed");
        n_ = size_t(n_hashed_);
        if (!n_hashed_) {
            auto columns = file.integers("columns");
            auto names = file.strings("names");
            require(names.size() == columns.size(), "names");
            for (auto& name : names) columns_.emplace(std::move(name), columns[place++]);
            n_ = size_t(file.integer("n_columns"));
            for (int32_t column : columns) require(column >= 0 && size_t(column) < n_, "columns");
        }
        sparse_ = file.has("starts");
        if (sparse_) starts_ = file.integers("starts"), outputs_ = file.integers("outputs");
        require(sparse_ ? starts_.size() == n_ + 1 && starts_[0] == 0 && std::is_sorted(starts_.begin(), starts_.end())
                        : values_.size() == uint64_t(n_) * offsets_.size(),
                "weights");
        require(!sparse_ || (size_t(starts_[n_]) == values_.size() && outputs_.size() == values_.size()), "weights");
        for (int32_t output : outputs_) require(output >= 0 && size_t(output) < offsets_.size(), "outputs");
    }

    size_t size() const { return n_; }  // columns
    const std::vector<double>& offsets() const { return offsets_; }

    // -1 where the model does not know the feature. A hash has a sign too where it is used.
    int32_t column(const std::string& name, double* sign = nullptr) const {
        if (!n_hashed_) {
            auto found = columns_.find(name);
            return found == columns_.end() ? -1 : found->second;
        }
        uint32_t h = murmur3(name);
        if (!sign) return int32_t(h % uint32_t(n_hashed_));
        if (h >> 31) *sign = -1;
        return int32_t((h >> 31 ? 0 - h : h) % uint32_t(n_hashed_));
    }

    void add(int32_t column, double x, double* scores) const {
        size_t K = offsets_.size();
        if (!sparse_)
            for (size_t k = 0; k < K; ++k) scores[k] += x * values_[size_t(column) * K + k];
        else
            for (auto p = starts_[size_t(column)]; p < starts_[size_t(column) + 1]; ++p)
                scores[outputs_[size_t(p)]] += x * values_[size_t(p)];
    }

private:
    std::vector<double> values_, offsets_;
    std::vector<int32_t> starts_, outputs_;
    std::unordered_map<std::string, int32_t> columns_;
    int32_t n_hashed_;
    size_t n_ = 0;
    bool sparse_ = false;
};

inline File of_kind(const std::string& path, const char* kind) {
    File file(path);
    if (file.text("kind") != kind) throw std::runtime_error(path + " holds a model of the other kind");
    return file;
}

}  // namespace detail
}  // namespace skopt
