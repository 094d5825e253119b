package dev.fusedrnn.bench.grid;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code fusedrnn bench grid-report}: the grid beside its peers, table and picture. */
@Command(
    name = "grid-report",
    description =
        "Joins the rows of bench grid with those of the baselines: a table in Markdown and a heat map."
            + " Emulated rows are left out. The picture needs a Java with java.desktop and a font.",
    footer = {
      "",
      "Exit codes: 0 written; 1 a file could not be read or written; 2 the command line."
    })
public final class GridReportCommand implements Callable<Integer> {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this help and ends")
  private boolean help;

  @Option(
      names = "--ours",
      paramLabel = "FILE",
      required = true,
      description = "What bench grid --out wrote")
  private Path ours = Path.of("");

  @Option(
      names = "--peers",
      paramLabel = "FILE",
      split = ",",
      required = true,
      description = "What the baselines' script wrote; several are joined")
  private List<Path> peers = List.of();

  @Option(names = "--markdown", paramLabel = "FILE", description = "The table. Default: printed")
  private @Nullable Path markdown;

  @Option(names = "--png", paramLabel = "FILE", description = "The heat map")
  private @Nullable Path png;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public Integer call() throws IOException {
    PrintWriter to = spec.commandLine().getOut();
    List<GridRow> others = new ArrayList<>();
    for (Path file : peers) {
      others.addAll(GridRow.read(file));
    }
    GridTable table = new GridTable(GridRow.read(ours), others);
    if (table.emulated() > 0) {
      to.println(table.emulated() + " emulated rows are left out: their times mean nothing");
    }
    if (table.entries().isEmpty()) {
      to.println("no cell was measured on both sides yet: there is nothing to report");
      to.flush();
      return 0;
    }
    String text = table.markdown();
    if (markdown == null) {
      to.println(text);
    } else {
      Files.writeString(markdown, text);
    }
    if (png != null) {
      HeatMap.write(table, png);
    }
    to.flush();
    return 0;
  }
}
