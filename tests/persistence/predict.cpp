// Predicts for the tests. Arguments: "text", "tags" or "items", and the file of a model. On the input each document, or
// token, ends with a zero byte; a token is columns, or names and values, with tabs between them, and one that is a line
// feed ends a sentence.
#include <iostream>

#include "skopt_predict/tags.h"
#include "skopt_predict/text.h"

using Token = std::vector<std::string>;

static void classify(const char* path, bool probabilities) {
    skopt::TextClassifier model(path);
    for (std::string document; std::getline(std::cin, document, '\0');) {
        std::cout << model.predict(document);
        for (double score : model.decision_function(document)) std::cout << '\t' << score;
        if (probabilities)
            for (double p : model.predict_proba(document)) std::cout << '\t' << p;
        std::cout << '\n';
    }
}

static std::vector<std::string> labels(const skopt::Tagger& model, const std::vector<Token>& sentence, bool items) {
    if (!items) return model.predict(sentence);
    std::vector<skopt::Tagger::Item> read(sentence.size());
    for (size_t t = 0; t < sentence.size(); ++t)
        for (size_t i = 0; i + 1 < sentence[t].size(); i += 2)
            read[t].emplace_back(sentence[t][i], std::stod(sentence[t][i + 1]));
    return model.predict_items(read);
}

static void tag(const char* path, bool items) {
    const skopt::Tagger model(path);
    std::vector<Token> sentence;
    for (std::string text; std::getline(std::cin, text, '\0');) {
        if (text != "\n") {
            sentence.emplace_back();
            for (size_t begin = 0, end; begin <= text.size(); begin = end + 1) {
                end = std::min(text.find('\t', begin), text.size());
                sentence.back().push_back(text.substr(begin, end - begin));
            }
            continue;
        }
        for (const auto& label : labels(model, sentence, items)) std::cout << label << '\t';
        std::cout << '\n';
        sentence.clear();
    }
}

int main(int, char** arguments) {
    const std::string kind = arguments[1];
    std::cout.precision(17);
    try {
        if (kind == "text" || kind == "probabilities") {
            classify(arguments[2], kind == "probabilities");
        } else {
            tag(arguments[2], kind == "items");
        }
    } catch (const std::exception& error) {
        std::cerr << error.what();
        return 1;
    }
}
