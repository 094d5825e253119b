/** Recurrent layers on GPU and CPU; see {@link dev.fusedrnn}. */
module dev.fusedrnn {
  requires org.bytedeco.javacpp;
  requires static transitive org.jspecify;

  exports dev.fusedrnn;
}
