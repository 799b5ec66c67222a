/// An update that is installed on a node: ClusterUpdate of [MS-CSVP] 3.16.1.
public struct NodeUpdate: Sendable, Hashable {
    /// ClusterUpdate.Id.
    public var id: String
    /// ClusterUpdate.Title.
    public var title: String
    /// ClusterUpdate.Description.
    public var description: String
    /// ClusterUpdate.SupportUrl.
    public var supportURL: String
    /// ClusterUpdate.ArticleIds.
    public var articleIDs: [String]
    /// ClusterUpdate.BulletinIds, which 3.16.4.1 also calls SecurityBulletins.
    public var bulletinIDs: [String]
    /// ClusterUpdate.UpdateIds: the updates that this one supersedes.
    public var supersededIDs: [String]

    /// From its elements.
    public init(
        id: String, title: String = "", description: String = "", supportURL: String = "", articleIDs: [String] = [],
        bulletinIDs: [String] = [], supersededIDs: [String] = []
    ) {
        self.id = id
        self.title = title
        self.description = description
        self.supportURL = supportURL
        self.articleIDs = articleIDs
        self.bulletinIDs = bulletinIDs
        self.supersededIDs = supersededIDs
    }
}
