package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendUnavailableException;
import dev.fusedrnn.Device;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.platform.commons.support.AnnotationSupport;
import org.opentest4j.TestAbortedException;

/** What {@link OnBackend} does. */
public final class DeviceExtension
    implements BeforeEachCallback, AfterEachCallback, ParameterResolver {
  /** Names backends, with commas, that must be there. */
  public static final String REQUIRED_PROPERTY = "fusedrnn.test.required";

  private static final ExtensionContext.Namespace NAMESPACE =
      ExtensionContext.Namespace.create(DeviceExtension.class);

  /** JUnit makes it. */
  public DeviceExtension() {}

  @Override
  public void beforeEach(ExtensionContext context) {
    store(context).put("device", open(annotation(context)));
  }

  @Override
  public void afterEach(ExtensionContext context) {
    Device device = store(context).remove("device", Device.class);
    if (device != null) {
      device.close();
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == Device.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    return store(context).get("device", Device.class);
  }

  /** Opens the backend; aborts the test where it is absent and not required. */
  static Device open(OnBackend wanted) {
    try {
      return Device.open(wanted.value());
    } catch (BackendUnavailableException e) {
      if (wanted.required() || requiredByProperty(wanted.value())) {
        throw new AssertionError(
            "backend " + wanted.value().label() + " is required: " + e.getMessage(), e);
      }
      throw new TestAbortedException(e.getMessage(), e);
    }
  }

  private static boolean requiredByProperty(Backend backend) {
    String names = System.getProperty(REQUIRED_PROPERTY, "");
    return Arrays.stream(names.split(",")).anyMatch(n -> n.strip().equals(backend.label()));
  }

  private static OnBackend annotation(ExtensionContext context) {
    Optional<OnBackend> onMethod =
        AnnotationSupport.findAnnotation(context.getElement(), OnBackend.class);
    return onMethod
        .or(() -> AnnotationSupport.findAnnotation(context.getTestClass(), OnBackend.class))
        .orElseThrow(() -> new IllegalStateException("no @OnBackend at " + context.getUniqueId()));
  }

  private static ExtensionContext.Store store(ExtensionContext context) {
    return context.getStore(NAMESPACE);
  }
}
