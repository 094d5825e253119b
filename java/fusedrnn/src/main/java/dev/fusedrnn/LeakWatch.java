package dev.fusedrnn;

import java.lang.ref.Cleaner;
import java.util.function.Consumer;

/** Reports owners that were collected without being closed. It frees nothing. */
final class LeakWatch {
  private static final Cleaner CLEANER = Cleaner.create();
  private static final System.Logger LOG = System.getLogger("dev.fusedrnn");

  /** Where reports go; a test listens here. */
  static volatile Consumer<String> reporter = text -> LOG.log(System.Logger.Level.WARNING, text);

  private LeakWatch() {}

  /**
   * Watches an owner.
   *
   * @param owner what has to be closed; not held
   * @param what its description for the report
   */
  static Ticket watch(Object owner, String what) {
    Ticket ticket = new Ticket(what);
    CLEANER.register(owner, ticket);
    return ticket;
  }

  /** What the cleaner holds: never the owner. */
  static final class Ticket implements Runnable {
    private final String what;
    private volatile boolean closed;

    private Ticket(String what) {
      this.what = what;
    }

    /** The owner was closed. */
    void closed() {
      closed = true;
    }

    @Override
    public void run() {
      if (!closed) {
        reporter.accept(
            what + " was collected without close(); its device memory or handle is leaked");
      }
    }
  }
}
