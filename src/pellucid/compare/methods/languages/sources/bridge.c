#include <jni.h>
#include "functions.h"

JNIEXPORT jboolean JNICALL Java_Main_start(
    JNIEnv *env, jclass self, jobjectArray words) {
    char *arguments[8] = {0};
    jsize count = (*env)->GetArrayLength(env, words);
    (void)self;
    for (jsize i = 1; i < count && i < 8; i++) {
        jstring word = (*env)->GetObjectArrayElement(env, words, i);
        arguments[i - 1] = (char *)(*env)->GetStringUTFChars(env, word, 0);
    }
    return model_start(arguments) == 0;
}

JNIEXPORT void JNICALL Java_Main_run(
    JNIEnv *env, jclass self, jfloatArray image, jfloatArray output) {
    jfloat *x = (*env)->GetFloatArrayElements(env, image, 0);
    jfloat *y = (*env)->GetFloatArrayElements(env, output, 0);
    (void)self;
    model_run(x, y);
    (*env)->ReleaseFloatArrayElements(env, image, x, JNI_ABORT);
    (*env)->ReleaseFloatArrayElements(env, output, y, 0);
}
