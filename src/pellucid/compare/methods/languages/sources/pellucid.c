#include "model.h"
#include "functions.h"

static float workspace[MODEL_WORKSPACE + 1];

int model_start(char **arguments) {
    (void)arguments;
    return 0;
}

void model_run(const float *image, float *output) {
    model_predict(image, output, workspace);
}
