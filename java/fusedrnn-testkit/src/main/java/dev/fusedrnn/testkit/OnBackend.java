package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Runs a JUnit test on a backend: a parameter of type {@link dev.fusedrnn.Device} receives an open
 * device of it, which is closed after the test.
 *
 * <p>Where the backend cannot run on this machine the test is skipped, with the reason; unless it
 * is required, by {@link #required()} or by the system property {@value
 * DeviceExtension#REQUIRED_PROPERTY} (names with commas, such as {@code cuda,cpu}). Then it fails,
 * so that a CI job with a GPU cannot pass by skipping.
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE, ElementType.METHOD})
@ExtendWith(DeviceExtension.class)
public @interface OnBackend {
  /**
   * @return the backend
   */
  Backend value();

  /**
   * @return whether the test fails where the backend is absent
   */
  boolean required() default false;
}
