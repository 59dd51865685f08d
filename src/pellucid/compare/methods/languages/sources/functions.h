#ifdef __cplusplus
extern "C" {
#endif
int model_start(char **arguments); /* 0: it is ready */
void model_run(const float *image, float *output);
#ifdef __cplusplus
}
#endif
