#include <cstdio>
#include <cstring>
#include <torch/script.h>
#include "functions.h"

static torch::jit::Module model;

int model_start(char **arguments) {
    model = torch::jit::load(arguments[0]);
    return 0;
}

void model_run(const float *image, float *output) {
    torch::NoGradGuard no_gradient;
    torch::Tensor x = torch::from_blob(const_cast<float *>(image), {SHAPE});
    torch::Tensor y = model.forward({x}).toTensor().contiguous();
    std::memcpy(output, y.data_ptr<float>(), y.numel() * sizeof(float));
}
