#include <stdio.h>
#include "functions.h"

static float image[INPUTS], output[OUTPUTS];

int main(int count, char **arguments) {
    (void)count;
    if (model_start(arguments + 1)) return 1;
    while (fread(image, sizeof(float), INPUTS, stdin) == INPUTS) {
        model_run(image, output);
        fwrite(output, sizeof(float), OUTPUTS, stdout);
    }
    return 0;
}
