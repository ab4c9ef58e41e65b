"""What several verbs take alike."""

RELEASE = "a release folder, an archive of one (.tar.gz, .tar, .zip), or a tag NAME@vX.Y.Z of the clone"
