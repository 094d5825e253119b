package dev.fusedrnn.cli;

import dev.fusedrnn.BackendUnavailableException;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.cli.charlm.SampleCommand;
import dev.fusedrnn.cli.charlm.TrainCharLmCommand;
import dev.fusedrnn.cli.check.CheckCommand;
import dev.fusedrnn.cli.convert.ConvertCommand;
import dev.fusedrnn.cli.doctor.DoctorCommand;
import dev.fusedrnn.cli.explain.ExplainCommand;
import dev.fusedrnn.cli.replay.ReplayCommand;
import dev.fusedrnn.io.FormatException;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** The entry point of the {@code fusedrnn} command. */
@Command(
    name = "fusedrnn",
    description = "Recurrent networks on fused kernels: train, sample, replay, check, diagnose.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      Main.Train.class,
      SampleCommand.class,
      ReplayCommand.class,
      ConvertCommand.class,
      CheckCommand.class,
      ExplainCommand.class,
      DoctorCommand.class
    },
    footer = {
      "",
      "`fusedrnn bench` runs the benchmarks. Exit codes: 0 success, 1 a check or a run failed,",
      "2 the command line, a file that it names, or a backend that is not there."
    })
public final class Main implements Runnable {
  @Spec private CommandSpec spec;

  /** What can be trained. */
  @Command(
      name = "train",
      description = "Trains a model.",
      mixinStandardHelpOptions = true,
      synopsisSubcommandLabel = "MODEL",
      subcommands = TrainCharLmCommand.class)
  static final class Train implements Runnable {
    @Spec private CommandSpec spec;

    @Override
    public void run() {
      throw new ParameterException(spec.commandLine(), "Say what to train: train char-lm");
    }
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  /**
   * Runs a command line and ends the process with its exit code.
   *
   * @param arguments the command line
   */
  public static void main(String... arguments) {
    System.exit(commandLine().execute(arguments));
  }

  /**
   * The command line as tests run it.
   *
   * @return it, writing to the process's own output until told otherwise
   */
  public static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setExecutionExceptionHandler((error, command, parsed) -> report(error, command))
        .setParameterExceptionHandler((error, arguments) -> refuse(error))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setAbbreviatedOptionsAllowed(false);
  }

  /** Says what is wrong, what may have been meant and where help is; not the whole of the help. */
  private static int refuse(ParameterException error) {
    CommandLine command = error.getCommandLine();
    PrintWriter err = command.getErr();
    err.println("fusedrnn: " + error.getMessage());
    UnmatchedArgumentException.printSuggestions(error, err);
    String name = command.getCommandSpec().qualifiedName();
    if (command.getSubcommands().isEmpty()) {
      err.println("`" + name + " --help` lists the options");
    } else {
      err.println(
          name + " takes " + String.join(", ", command.getSubcommands().keySet()) + "; or --help");
    }
    err.flush();
    return ExitCode.USAGE;
  }

  private static int report(Exception error, CommandLine command) {
    PrintWriter err = command.getErr();
    boolean given = error instanceof UserException || error instanceof FormatException;
    boolean explained = given || error instanceof FusedRnnException;
    err.println("fusedrnn: " + (explained ? error.getMessage() : "failed: " + error));
    if (!explained) {
      error.printStackTrace(err);
    }
    err.flush();
    boolean usage = given || error instanceof BackendUnavailableException;
    return usage ? ExitCode.USAGE : ExitCode.FAILURE;
  }
}
