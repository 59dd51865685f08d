import java.io.*;
import java.nio.*;

public class Main {
    static native boolean start(String[] arguments);
    static native void run(float[] image, float[] output);

    public static void main(String[] arguments) throws IOException {
        System.load(arguments[0]);
        if (!start(arguments)) System.exit(1);
        byte[] bytes = System.in.readAllBytes();
        FloatBuffer images =
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        float[] image = new float[INPUTS], output = new float[OUTPUTS];
        ByteBuffer answer = ByteBuffer.allocate(4 * OUTPUTS);
        answer.order(ByteOrder.LITTLE_ENDIAN);
        while (images.hasRemaining()) {
            images.get(image);
            run(image, output);
            answer.clear();
            answer.asFloatBuffer().put(output);
            System.out.write(answer.array(), 0, 4 * OUTPUTS);
        }
        System.out.flush();
    }
}
