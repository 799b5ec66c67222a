import ClusterEngine
import ClusterProtocols
import DCOM
import Logging

/// The coclasses of [MS-CSVP] that this node serves. A class that is not listed answers REGDB_E_CLASSNOTREG to an activation,
/// which is more honest than an object none of whose methods works.
public enum CoClasses {
    /// ClusterStorage2.
    public static func storage(_ environment: ClusterStorage.Environment) -> COMClass {
        COMClass(
            clsid: ClusterStorage.clsid, name: "ClusterStorage2",
            interfaces: [COMInterface(IClusterStorage2.interface), COMInterface(IClusterStorage3.interface)]
        ) { _ in ClusterStorage(environment: environment) }
    }

    /// ClusterSetup.
    ///
    /// - Parameter levels: what the node presents; see ``ClusterSetup/init(engine:levels:logger:)``.
    public static func setup(
        engine: ClusterEngine, levels: ClusterLevels? = .highest, logger: Logger
    ) -> COMClass {
        COMClass(
            clsid: ClusterSetup.clsid, name: "ClusterSetup", interfaces: [COMInterface(IClusterSetup.interface)]
        ) { _ in ClusterSetup(engine: engine, levels: levels, logger: logger) }
    }
}
