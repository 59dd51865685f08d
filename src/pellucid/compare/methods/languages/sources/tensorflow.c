#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>
#include "functions.h"

static TF_Status *status;
static TF_Session *session;
static TF_Output in, out;

static void keep(void *data, size_t length, void *argument) {
    (void)data; (void)length; (void)argument;
}

static int has_failed(void) {
    if (TF_GetCode(status) == TF_OK) return 0;
    fprintf(stderr, "%s", TF_Message(status));
    return 1;
}

int model_start(char **arguments) {
    const char *tags[] = {"serve"};
    TF_Graph *graph = TF_NewGraph();
    status = TF_NewStatus();
    session = TF_LoadSessionFromSavedModel(
        TF_NewSessionOptions(), NULL, arguments[0], tags, 1, graph, NULL, status);
    if (has_failed()) return 1;
    in = (TF_Output){TF_GraphOperationByName(graph, arguments[1]), 0};
    out = (TF_Output){TF_GraphOperationByName(graph, arguments[2]), 0};
    return 0;
}

void model_run(const float *image, float *output) {
    const int64_t shape[] = {SHAPE};
    TF_Tensor *x = TF_NewTensor(
        TF_FLOAT, shape, 4, (void *)image, INPUTS * sizeof(float), keep, NULL);
    TF_Tensor *y = NULL;
    TF_SessionRun(session, NULL, &in, &x, 1, &out, &y, 1, NULL, 0, NULL, status);
    if (has_failed()) exit(1);
    memcpy(output, TF_TensorData(y), TF_TensorByteSize(y));
    TF_DeleteTensor(y);
    TF_DeleteTensor(x);
}
